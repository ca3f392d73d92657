/** Reads the bytes of a pickle from front to back. Every method throws an Error where the file ends too early. */
export class PickleStream {
  readonly #bytes: Buffer;
  /** Index of the next byte. */
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  int32(): number {
    return this.#bytes.readInt32LE(this.#take(4));
  }

  /** Reads a length of eight bytes. */
  length8(): number {
    return Number(this.#bytes.readBigUInt64LE(this.#take(8)));
  }

  /** Reads a double, which pickles have in big-endian order. */
  float64(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }

  /** Returns a view of the next bytes. */
  bytes(length: number): Buffer {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Reads UTF-8 text of that many bytes. */
  text(length: number): string {
    return this.bytes(length).toString('utf8');
  }

  /**
   * Reads to the end of the line, without its end. Text of protocol 0 is Latin-1, with escapes for other characters.
   */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new Error(`the file ends within a line that began at ${this.at}`);
    const start = this.at;
    this.at = end + 1;
    return this.#bytes.toString('latin1', start, end);
  }

  /** Passes over bytes, and returns the index of the first. */
  #take(length: number): number {
    const start = this.at;
    if (start + length > this.#bytes.length) {
      throw new Error(`the file ends at ${this.#bytes.length}, within what began at ${start}`);
    }
    this.at += length;
    return start;
  }
}
