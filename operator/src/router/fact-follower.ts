/** Follows the facts of another operator's control plane, and takes them back when that operator is gone. */
import { type ChannelCredentials, Client, type ClientReadableStream } from '@grpc/grpc-js';
import type { RouterFact } from '../api/router-fact.ts';
import { FACT_FEED } from './fact-feed.ts';

const RETRY_MS = 500;
/** A connection that is cut without a word is noticed within twice this time. */
const KEEPALIVE_MS = 5000;

/** The operator that a follower follows, and who hears its facts. */
export interface FactFollowerOptions {
  /** The address of the other operator's control plane, host:port. */
  readonly address: string;
  readonly credentials: ChannelCredentials;
  /**
   * The DNS name in the other operator's certificate; needed with TLS, because an IP address is no name in
   * it.
   */
  readonly serverName?: string;
  /** Called with the other operator's facts, and with those that take them back when it is gone. */
  readonly onFacts: (facts: readonly RouterFact[]) => void;
}

/** A client of another operator's facts, which connects again after every interruption. */
export class FactFollower {
  readonly #options: FactFollowerOptions;
  readonly #client: Client;
  /** Connections that were told of, so that they can be taken back. */
  readonly #streams = new Set<string>();
  /** Routers whose load was told, so that it can be taken back. */
  readonly #reporting = new Set<string>();
  #call: ClientReadableStream<readonly RouterFact[]> | undefined;
  #isClosed = false;

  /** Follows from now on, and again after every interruption, until it is closed. */
  constructor(options: FactFollowerOptions) {
    this.#options = options;
    const { address, credentials, serverName } = options;
    this.#client = new Client(address, credentials, {
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
      'grpc.max_receive_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': RETRY_MS,
      'grpc.max_reconnect_backoff_ms': 2 * RETRY_MS,
      ...(serverName === undefined ? {} : { 'grpc.ssl_target_name_override': serverName }),
    });
    this.#follow();
  }

  /** Ends the stream for good, and takes back every fact that was told. */
  close(): void {
    this.#isClosed = true;
    this.#call?.cancel();
    this.#client.close();
    this.#takeBack();
  }

  #follow(): void {
    const { path, requestSerialize, responseDeserialize } = FACT_FEED.follow;
    const call = this.#client.makeServerStreamRequest<object, readonly RouterFact[]>(
      path,
      requestSerialize,
      responseDeserialize,
      {},
    );
    this.#call = call;
    call.on('data', (facts: readonly RouterFact[]) => this.#tell(facts));
    // 'end' follows, too; 'status' comes exactly once.
    call.on('error', () => undefined);
    call.on('status', () => {
      if (this.#isClosed) return;
      this.#takeBack();
      setTimeout(() => {
        if (!this.#isClosed) this.#follow();
      }, RETRY_MS).unref();
    });
  }

  #tell(facts: readonly RouterFact[]): void {
    if (this.#isClosed) return;
    for (const fact of facts) {
      if (fact.kind === 'connected') this.#streams.add(fact.stream);
      if (fact.kind === 'gone') this.#streams.delete(fact.stream);
      if (fact.kind === 'load') this.#reporting.add(fact.router);
    }
    this.#options.onFacts(facts);
  }

  /**
   * Tells that all connections and load reports are gone: what is not heard any more is not known any more.
   */
  #takeBack(): void {
    const facts: RouterFact[] = [
      ...[...this.#streams].map((stream) => ({ kind: 'gone', stream }) as const),
      ...[...this.#reporting].map((router) => ({ kind: 'load', router }) as const),
    ];
    this.#streams.clear();
    this.#reporting.clear();
    if (facts.length > 0) this.#options.onFacts(facts);
  }
}
