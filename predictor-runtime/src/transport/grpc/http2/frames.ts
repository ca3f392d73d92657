/**
 * Length-prefixed messages, in which gRPC sends its data: a byte that says whether the message is compressed, four
 * bytes of its length, the message. Source: gRPC over HTTP/2, "Length-Prefixed-Message".
 */
import { CallError, Status } from './status.ts';

/** Size of what stands before each message, in bytes. */
const PREFIX = 5;
/** Size up to which a message gets all of its place at once, in bytes: a length is soon told, and costs nothing. */
const MAX_PLACED = 4 << 20;

/** One message as it came. */
export interface Frame {
  readonly isCompressed: boolean;
  readonly bytes: Buffer;
}

/** A message of which not all has come. */
interface PartialMessage {
  readonly isCompressed: boolean;
  readonly length: number;
  place: Buffer;
  filled: number;
}

/** Bounds of messages, memory for them, and who takes them. */
export interface FrameReaderOptions {
  /** Largest size of a message, in bytes. */
  readonly maxBytes: number;
  /** Finds room for a message that comes in several parts. */
  readonly take: (length: number) => Buffer;
  /** Called with each message. */
  readonly onFrame: (frame: Frame) => void;
}

/** Puts messages together from the parts in which they come. */
export class FrameReader {
  readonly #options: FrameReaderOptions;
  /** The beginning of a prefix that is not complete. */
  #prefix: Buffer = Buffer.alloc(0);
  /** The message that is being received; undefined between two. */
  #message: PartialMessage | undefined;

  constructor(options: FrameReaderOptions) {
    this.#options = options;
  }

  /** True between two messages, where a stream may end. */
  get isBetween(): boolean {
    return this.#message === undefined && this.#prefix.length === 0;
  }

  /** Takes the next part of the stream. @throws CallError RESOURCE_EXHAUSTED for a message that is too large */
  push(part: Buffer): void {
    let rest = part;
    while (rest.length > 0) {
      rest = this.#message === undefined ? this.#begin(rest) : this.#continue(rest);
    }
  }

  /** Reads a prefix, and the whole message where it is there. Returns what follows. */
  #begin(part: Buffer): Buffer {
    const bytes = this.#prefix.length === 0 ? part : Buffer.concat([this.#prefix, part]);
    if (bytes.length < PREFIX) {
      this.#prefix = bytes;
      return bytes.subarray(bytes.length);
    }
    this.#prefix = Buffer.alloc(0);
    const { maxBytes, take, onFrame } = this.#options;
    const isCompressed = bytes[0] !== 0;
    const length = bytes.readUInt32BE(1);
    if (length > maxBytes) throw tooLarge(length, maxBytes);
    const end = PREFIX + length;
    if (bytes.length >= end) {
      onFrame({ isCompressed, bytes: bytes.subarray(PREFIX, end) });
      return bytes.subarray(end);
    }
    const place = length > MAX_PLACED ? Buffer.allocUnsafeSlow(MAX_PLACED) : take(length);
    this.#message = { isCompressed, length, place, filled: 0 };
    return bytes.subarray(PREFIX);
  }

  /** Adds to the message that is being received. Returns what follows it. */
  #continue(part: Buffer): Buffer {
    const message = this.#message as PartialMessage;
    const { isCompressed, length, filled } = message;
    const taken = part.subarray(0, length - filled);
    const end = filled + taken.length;
    if (end > message.place.length) {
      // The place grows with what has come, and not with what a caller says that will.
      const larger = Buffer.allocUnsafeSlow(Math.min(length, Math.max(end, 2 * filled)));
      message.place.copy(larger, 0, 0, filled);
      message.place = larger;
    }
    message.place.set(taken, filled);
    message.filled = end;
    if (end === length) {
      this.#message = undefined;
      this.#options.onFrame({ isCompressed, bytes: message.place });
    }
    return part.subarray(taken.length);
  }
}

/** Returns the error of a message that is larger than is taken. */
export function tooLarge(bytes: number, limit: number): CallError {
  return new CallError(
    Status.RESOURCE_EXHAUSTED,
    `the message has ${bytes} bytes, at most ${limit} are taken; send fewer rows at a time`,
  );
}

/** Returns what stands before a message that is not compressed. */
export function prefixOf(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeUInt32BE(message.length, 1);
  return prefix;
}
