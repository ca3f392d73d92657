/** A call of many messages, as a stream of objects; both directions heed who reads slowly. */
import { Duplex } from 'node:stream';
import type { MethodDefinition } from '@grpc/grpc-js';
import type { Call } from './call.ts';
import { OK, statusOf } from './status.ts';

/** Emits `cancelled` as the call does, and has the fields of @grpc/grpc-js's streams that services use. */
export class StreamingCall extends Duplex {
  /** The one request of a method whose answers are many. */
  readonly request: unknown;
  readonly #call: Call;
  readonly #serialize: MethodDefinition<unknown, unknown>['responseSerialize'];

  /** Makes the stream of a call; `request` is that of a client that sends one. */
  constructor(call: Call, method: MethodDefinition<unknown, unknown>, request?: unknown) {
    super({ objectMode: true, emitClose: false });
    this.request = request;
    this.#call = call;
    this.#serialize = method.responseSerialize;
    call.on('cancelled', () => {
      this.emit('cancelled');
      this.push(null);
    });
    this.on('error', (error) => call.end(statusOf(error)));
  }

  /** True when nobody waits for answers any more. */
  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  /** Metadata of the caller. */
  get metadata() {
    return this.#call.metadata;
  }

  /** Returns a header of the request by its name in lower case. */
  header(name: string): string | undefined {
    return this.#call.header(name);
  }

  /** Returns the method's path. */
  getPath(): string {
    return this.#call.getPath();
  }

  /** Returns the time up to which the caller waits, in ms since 1970. */
  getDeadline(): number {
    return this.#call.getDeadline();
  }

  /** Takes a message of the client's. */
  receive(message: unknown): void {
    if (!this.push(message)) this.#call.pause();
  }

  override _read(): void {
    this.#call.resume();
  }

  override _write(message: unknown, _encoding: string, done: (error?: Error) => void): void {
    try {
      this.#call.send(this.#serialize(message), () => done());
    } catch (error) {
      done(error as Error);
    }
  }

  override _final(done: () => void): void {
    this.#call.end(OK);
    done();
  }
}
