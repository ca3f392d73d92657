/**
 * Defines the stream by which an operator that leads follows what another one's control plane knows about its
 * routers: first all of it, then what is new.
 */
import type { ServerWritableStream, ServiceDefinition } from '@grpc/grpc-js';
import type { RouterFact } from '../api/router-fact.ts';

type Follower = ServerWritableStream<object, readonly RouterFact[]>;

/** Bytes that may wait for a follower; one that is slower is cut off and begins anew. */
const MAX_WAITING = 64 << 20;

const write = (value: unknown) => Buffer.from(JSON.stringify(value));
const read = (bytes: Buffer) => JSON.parse(bytes.toString());

/**
 * The gRPC service of the feed. Operators of one release talk to each other, so that JSON needs no schema.
 */
export const FACT_FEED = {
  follow: {
    path: '/wherry.routers.v1.Facts/Follow',
    requestStream: false,
    responseStream: true,
    requestSerialize: write,
    requestDeserialize: read,
    responseSerialize: write,
    responseDeserialize: read,
  },
} as const satisfies ServiceDefinition;

/** Sends the facts of one control plane to the operators that follow it. */
export class FactFeed {
  readonly #followers = new Set<Follower>();

  /** Tells a follower `all` that is known, and everything new from now on. */
  add(follower: Follower, all: readonly RouterFact[]): void {
    follower.write(all);
    this.#followers.add(follower);
    const end = () => this.#followers.delete(follower);
    follower.on('cancelled', end);
    follower.on('error', end);
    follower.on('close', end);
  }

  /** Tells every follower new facts, and cuts off one that lags 64 MiB behind. */
  tell(facts: readonly RouterFact[]): void {
    for (const follower of this.#followers) {
      if (follower.writableLength > MAX_WAITING) follower.destroy(new Error('too slow'));
      else follower.write(facts);
    }
  }
}
