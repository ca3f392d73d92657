/**
 * A server of gRPC on Node's own HTTP/2. It takes services as @grpc/grpc-js does, whose server costs three times as
 * much and cannot widen the windows of HTTP/2 (docs/adr/0013-grpc-on-node-http2.md).
 */
import { once } from 'node:events';
import {
  constants,
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type {
  MethodDefinition,
  ServiceDefinition,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { BodyPool } from '../../body-pool.ts';
import { Call, type CallOptions } from './call.ts';
import { isGrpc } from './headers.ts';
import { CallError, OK, Status, statusOf } from './status.ts';
import { StreamingCall } from './streaming-call.ts';

const { HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE, HTTP2_HEADER_STATUS } = constants;
/**
 * Bytes that a client may send ahead on a stream, and on a connection. With HTTP/2's 64 KiB every tenth of a large
 * tensor would wait for word from here.
 */
const STREAM_WINDOW = 4 << 20;
const CONNECTION_WINDOW = 16 << 20;
/** Time without a word after which TCP asks whether the client is still there, in ms. */
const KEEP_ALIVE_MS = 60_000;

type AnyMethod = MethodDefinition<unknown, unknown>;
/** A unary method's implementation as @grpc/grpc-js has it. */
type Unary = (
  call: Call & { request: unknown },
  callback: (error: unknown, answer?: unknown) => void,
) => void;
type Streaming = (call: StreamingCall) => void;
type Handler = (options: Pick<CallOptions, 'stream' | 'headers'>) => void;

/** Certificates of a server that is encrypted, in PEM. */
export interface Http2Tls {
  readonly key: Buffer | string;
  readonly cert: Buffer | string;
  /** Authorities of the certificates that clients must have. */
  readonly ca?: Buffer | string;
}

/** Settings of a server. */
export interface GrpcHttp2ServerOptions {
  /** Largest size of a message, in bytes. */
  readonly maxMessageBytes: number;
  readonly tls?: Http2Tls;
}

/** Serves services of gRPC. */
export class GrpcHttp2Server {
  readonly #maxMessageBytes: number;
  readonly #server: Http2Server | Http2SecureServer;
  readonly #handlers = new Map<string, Handler>();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #bodies = new BodyPool();

  constructor({ maxMessageBytes, tls }: GrpcHttp2ServerOptions) {
    this.#maxMessageBytes = maxMessageBytes;
    const settings = {
      settings: { initialWindowSize: STREAM_WINDOW },
      // A client that went away without a word is noticed by TCP.
      ...{ keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
    };
    this.#server =
      tls === undefined
        ? createServer(settings)
        : createSecureServer({
            ...settings,
            ...tls,
            requestCert: tls.ca !== undefined,
            rejectUnauthorized: tls.ca !== undefined,
          });
    this.#server.on('session', (session) => this.#follow(session));
    this.#server.on('stream', (stream, headers) => this.#dispatch(stream, headers));
    // A connection that breaks ends its calls, which is all that there is to do.
    this.#server.on('sessionError', () => {});
  }

  /** Adds a service. Its methods are unary, or answer many messages; none takes many and answers one. */
  addService(service: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    for (const [name, method] of Object.entries(service)) {
      const handle = implementation[name] ?? implementation[method.originalName ?? ''];
      if (handle === undefined) throw new Error(`${method.path} has no implementation`);
      const isMany = method.requestStream || method.responseStream;
      this.#handlers.set(
        method.path,
        isMany
          ? this.#streaming(method, handle as unknown as Streaming)
          : this.#unary(method, handle as unknown as Unary),
      );
    }
  }

  /** Listens, and returns the port. @throws Error when it cannot */
  async listen(host: string, port: number): Promise<number> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no new call, and resolves when those under way are answered. */
  async drain(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, 'close') : undefined;
    this.#server.close();
    for (const session of this.#sessions) session.close();
    await closed;
  }

  #follow(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    session.setLocalWindowSize(CONNECTION_WINDOW);
  }

  #dispatch(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (!isGrpc(headers)) {
      stream.on('error', () => {});
      stream.respond(
        { [HTTP2_HEADER_STATUS]: HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE },
        { endStream: true },
      );
      return;
    }
    const path = headers[':path'] ?? '';
    const handler = this.#handlers.get(path) ?? this.#unknown(path);
    handler({ stream, headers });
  }

  #unknown(path: string): Handler {
    const error = new CallError(Status.UNIMPLEMENTED, `there is no method ${path}`);
    return (options) => {
      this.#call({ ...options, onMessage: () => {}, onHalfClose: () => {} }).end(error);
    };
  }

  #unary(method: AnyMethod, handle: Unary): Handler {
    return (options) => {
      let request: Buffer | undefined;
      const call = this.#call({
        ...options,
        onMessage: (bytes) => {
          if (request !== undefined)
            throw new CallError(Status.INTERNAL, 'one message is expected');
          request = bytes;
        },
        onHalfClose: () => {
          if (request === undefined) throw new CallError(Status.INTERNAL, 'a message is expected');
          const received = Object.assign(call, { request: decoded(method, request) });
          request = undefined;
          handle(received, (error, answer) => {
            if (error !== null && error !== undefined) call.end(statusOf(error));
            else this.#answer(call, method, answer);
          });
        },
      });
    };
  }

  #answer(call: Call, method: AnyMethod, answer: unknown): void {
    try {
      call.end(OK, method.responseSerialize(answer));
    } catch (error) {
      const details = `the answer cannot be encoded: ${(error as Error).message}`;
      call.end({ code: Status.INTERNAL, details });
    }
  }

  #streaming(method: AnyMethod, handle: Streaming): Handler {
    return (options) => {
      let streaming: StreamingCall | undefined;
      const call = this.#call({
        ...options,
        onMessage: (bytes) => {
          const message = decoded(method, bytes);
          if (method.requestStream) streaming?.receive(message);
          else handle(new StreamingCall(call, method, message));
        },
        onHalfClose: () => streaming?.push(null),
      });
      if (!method.requestStream || call.isEnded) return;
      streaming = new StreamingCall(call, method);
      handle(streaming);
    };
  }

  #call(options: Omit<CallOptions, 'maxMessageBytes' | 'bodies'>): Call {
    const maxMessageBytes = this.#maxMessageBytes;
    return new Call({ ...options, maxMessageBytes, bodies: this.#bodies });
  }
}

/** Decodes a message. @throws CallError INTERNAL when the bytes are none */
function decoded(method: AnyMethod, bytes: Buffer): unknown {
  try {
    return method.requestDeserialize(bytes);
  } catch (error) {
    const message = `the message is no ${method.path} request: ${(error as Error).message}`;
    throw new CallError(Status.INTERNAL, message);
  }
}
