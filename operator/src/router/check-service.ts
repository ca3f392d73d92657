/** Answers routers that hold requests: each call is one request, and its answer lets that request go or sends it away. */
import {
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { HOLD_LIMITS, HOLD_REFUSALS, type HoldRefusal, type Line } from './hold.ts';
import { checkedRevision } from './hold-resources.ts';
import type { EnvoyProtos, Message } from './protos.ts';
import { peerAddress } from './streams.ts';
import { WaitingRoom, type WaitingRoomOptions } from './waiting-room.ts';

const PACKAGE = 'envoy.service.auth.v3';

/** A call of a router about one request. */
export type Check = ServerUnaryCall<Message, Message>;

/** Defines Envoy's gRPC service of external authorization, whose messages `protos` translates. */
export function checkDefinition(protos: EnvoyProtos): ServiceDefinition {
  const encode = (name: string) => (value: Message) => protos.encode(`${PACKAGE}.${name}`, value);
  const decode = (name: string) => (bytes: Buffer) => protos.decode(`${PACKAGE}.${name}`, bytes);
  return {
    check: {
      path: `/${PACKAGE}.Authorization/Check`,
      requestStream: false,
      responseStream: false,
      requestSerialize: encode('CheckRequest'),
      requestDeserialize: decode('CheckRequest'),
      responseSerialize: encode('CheckResponse'),
      responseDeserialize: decode('CheckResponse'),
    },
  };
}

/** Room for the requests that wait, and who counts them. */
export interface CheckServiceOptions extends Omit<WaitingRoomOptions, 'limits'> {
  /** Called with each request that is let go, before its router knows. @param heldAt milliseconds, when it came */
  readonly onRelease: (line: Required<Line>, heldAt: number) => void;
  /** Called with each refusal, before its router knows. */
  readonly onRefusal: (refusal: HoldRefusal) => void;
}

/** Holds the requests of all routers that ask. */
export class CheckService {
  readonly #options: CheckServiceOptions;
  readonly #room: WaitingRoom;

  constructor(options: CheckServiceOptions) {
    this.#options = options;
    this.#room = new WaitingRoom({ ...options, limits: HOLD_LIMITS });
  }

  /** Answers a call when its request may go or wait no longer; a cancelled one is forgotten. */
  check(call: Check, answer: sendUnaryData<Message>): void {
    const ref = checkedRevision(call.request);
    if (ref === undefined) {
      answer(null, OK);
      return;
    }
    const line = { ref, router: peerAddress(call) };
    const heldAt = Date.now();
    const leave = this.#room.admit(line, {
      go: () => {
        this.#options.onRelease(line, heldAt);
        answer(null, OK);
      },
      refuse: (refusal) => {
        this.#options.onRefusal(refusal);
        answer(null, denied(refusal));
      },
    });
    call.on('cancelled', leave);
  }

  /** Lets requests go as far as there is room; to be called when there may be more of it. */
  look(): void {
    this.#room.look();
  }

  /** Takes in when routers end, by address, in milliseconds since 1970. */
  routersEnd(ends: ReadonlyMap<string, number>): void {
    this.#room.routersEnd(ends);
  }

  /** Ends; calls that wait are cut with the server. */
  close(): void {
    this.#room.close();
  }
}

const OK: Message = { status: { code: status.OK }, ok_response: {} };

function denied(refusal: HoldRefusal): Message {
  const { status: code, retryAfter, text } = HOLD_REFUSALS[refusal];
  return {
    status: { code: status.UNAVAILABLE },
    denied_response: {
      status: { code },
      headers: [{ header: { key: 'retry-after', value: String(retryAfter) } }],
      body: text,
    },
  };
}
