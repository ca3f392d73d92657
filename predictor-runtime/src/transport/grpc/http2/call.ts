/** One call of gRPC on a stream of HTTP/2: its messages in and out, its deadline, its end. */
import { EventEmitter } from 'node:events';
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Metadata } from '@grpc/grpc-js';
import { countReceived } from '../../../platform/young-collection.ts';
import type { BodyPool } from '../../body-pool.ts';
import { type Compression, decompressed } from './compression.ts';
import { type Frame, FrameReader, prefixOf } from './frames.ts';
import { ANSWER_HEADERS, compressionOf, metadataOf, statusHeaders, timeoutOf } from './headers.ts';
import { CallError, type CallStatus, Status, statusOf } from './status.ts';

const { NGHTTP2_NO_ERROR } = constants;
/** Longest delay of a timer, in ms. */
const MAX_DELAY = 2 ** 31 - 1;
/** Size up to which a message is copied behind its prefix, as one write costs less than two. */
const MAX_JOINED = 16 << 10;

/** The stream of a call, and who takes what comes. */
export interface CallOptions {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** Largest size of a message, in bytes, before and after decompression. */
  readonly maxMessageBytes: number;
  /** Memory for messages that come in several parts. */
  readonly bodies: BodyPool;
  /** Called with each message, one after another. */
  readonly onMessage: (bytes: Buffer) => void;
  /** Called when the client sends no more. */
  readonly onHalfClose: () => void;
}

/** Represents a call. It emits `cancelled` when nobody waits for its answer any more: the client has gone, or its time is up. */
export class Call extends EventEmitter<{ cancelled: [] }> {
  readonly #options: CallOptions;
  readonly #reader: FrameReader;
  readonly #deadline: number = Number.POSITIVE_INFINITY;
  readonly #compression: Compression = 'identity';
  readonly #timer: NodeJS.Timeout | undefined;
  #metadata: Metadata | undefined;
  /** The message that came last, as long as its memory is not given back. */
  #last: Buffer | undefined;
  /** Messages that are being decompressed, after which those behind them are told. */
  #decompression: Promise<void> | undefined;
  #isEnded = false;
  #isCancelled = false;

  /** Begins to receive. A call whose headers are wrong is ended at once, and receives nothing. */
  constructor(options: CallOptions) {
    super();
    this.#options = options;
    const { stream, headers, bodies, maxMessageBytes: maxBytes } = options;
    this.#reader = new FrameReader({
      maxBytes,
      // A tensor's bytes are the last of a message, and their number is a multiple of an element's.
      take: (length) => bodies.take(length, length),
      onFrame: (frame) => this.#receive(frame),
    });
    // An error is followed by the end of the stream, which says all that there is to do.
    stream.on('error', () => {});
    stream.on('close', () => this.#closed());
    try {
      this.#compression = compressionOf(headers);
      const timeout = timeoutOf(headers);
      if (timeout !== undefined) {
        this.#deadline = Date.now() + timeout;
        this.#timer = setTimeout(() => this.#expire(), Math.min(timeout, MAX_DELAY));
      }
    } catch (error) {
      this.end(statusOf(error));
      return;
    }
    stream.on('data', (part: Buffer) => this.#guarded(() => this.#reader.push(part)));
    stream.on('end', () => this.#guarded(() => this.#halfClose()));
  }

  /** True when nobody waits for the answer any more. */
  get cancelled(): boolean {
    return this.#isCancelled;
  }

  /** True when the status was sent, or cannot be. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Metadata of the caller. */
  get metadata(): Metadata {
    this.#metadata ??= metadataOf(this.#options.headers);
    return this.#metadata;
  }

  /** Returns a header of the request by its name in lower case. */
  header(name: string): string | undefined {
    const value = this.#options.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Returns the method's path, `/package.Service/Method`. */
  getPath(): string {
    return this.#options.headers[':path'] ?? '';
  }

  /** Returns the time up to which the caller waits, in ms since 1970; Infinity when it names none. */
  getDeadline(): number {
    return this.#deadline;
  }

  /** Receives no more until `resume` is called. */
  pause(): void {
    this.#options.stream.pause();
  }

  /** Receives again after `pause`, from where it stopped. */
  resume(): void {
    this.#options.stream.resume();
  }

  /** Gives back the memory of the last message, which nobody may read any more. */
  release(): void {
    if (this.#last !== undefined) this.#options.bodies.giveBack(this.#last);
    this.#last = undefined;
  }

  /** Sends a message, and calls `done` when there is room for the next. */
  send(message: Uint8Array, done?: () => void): void {
    const { stream } = this.#options;
    if (this.#isEnded) {
      done?.();
      return;
    }
    this.#sendHeaders();
    const [first, second] = parts(message);
    if (second !== undefined) stream.write(first);
    stream.write(second ?? first, () => done?.());
  }

  /** Ends the call, with a last message where there is one. What comes after that is read by nobody. */
  end(status: CallStatus, message?: Uint8Array): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#timer);
    const { stream } = this.#options;
    if (stream.destroyed || stream.closed) return;
    const trailers = statusHeaders(status);
    if (message === undefined && !stream.headersSent) {
      stream.respond({ ...ANSWER_HEADERS, ...trailers }, { endStream: true });
    } else {
      this.#sendHeaders();
      stream.once('wantTrailers', () => stream.sendTrailers(trailers));
      const [first, second] = message === undefined ? [] : parts(message);
      if (second !== undefined) stream.write(first);
      stream.end(second ?? first);
    }
    if (!stream.readableEnded) this.#stopReading(stream);
  }

  /** Has the client stop to send once it has the status. Source: RFC 9113, 8.1. */
  #stopReading(stream: ServerHttp2Stream): void {
    stream.removeAllListeners('data');
    stream.resume();
    stream.once('finish', () => setImmediate(() => stream.close(NGHTTP2_NO_ERROR)));
  }

  #sendHeaders(): void {
    const { stream } = this.#options;
    if (!stream.headersSent) stream.respond(ANSWER_HEADERS, { waitForTrailers: true });
  }

  #receive({ isCompressed, bytes }: Frame): void {
    countReceived(bytes.length);
    this.#last = bytes;
    const { maxMessageBytes, onMessage } = this.#options;
    if (!isCompressed && this.#decompression === undefined) {
      onMessage(bytes);
      return;
    }
    const whole = isCompressed ? decompressed(bytes, this.#compression, maxMessageBytes) : bytes;
    this.#inTurn(async () => onMessage(await whole));
  }

  #halfClose(): void {
    if (!this.#reader.isBetween)
      throw new CallError(Status.INTERNAL, 'the last message is cut off');
    const { onHalfClose } = this.#options;
    if (this.#decompression === undefined) onHalfClose();
    else this.#inTurn(async () => onHalfClose());
  }

  /** Takes a step after those of the messages before. */
  #inTurn(step: () => Promise<void>): void {
    const before = this.#decompression ?? Promise.resolve();
    this.#decompression = before.then(step).catch((error) => this.end(statusOf(error)));
  }

  #guarded(step: () => void): void {
    if (this.#isEnded) return;
    try {
      step();
    } catch (error) {
      this.end(statusOf(error));
    }
  }

  #expire(): void {
    const details = 'the time that the caller gave the call is up';
    this.end({ code: Status.DEADLINE_EXCEEDED, details });
    this.#cancel();
  }

  #closed(): void {
    clearTimeout(this.#timer);
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#cancel();
  }

  #cancel(): void {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    this.emit('cancelled');
  }
}

/** Returns the writes of a message: small ones are copied behind their prefix. */
function parts(message: Uint8Array): [first: Uint8Array, second?: Uint8Array] {
  const prefix = prefixOf(message);
  return message.length > MAX_JOINED ? [prefix, message] : [Buffer.concat([prefix, message])];
}
