/** The bytes of a pickle, read from front to back. Every read is checked against the end. */
export class PickleStream {
  readonly #bytes: Buffer;
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

  /** A length of eight bytes. */
  length8(): number {
    return Number(this.#bytes.readBigUInt64LE(this.#take(8)));
  }

  /** Big-endian, as pickle has floats. */
  float64(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }

  /** A view of the next bytes. */
  bytes(length: number): Buffer {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  text(length: number): string {
    return this.bytes(length).toString('utf8');
  }

  /** Up to the end of the line, without it. Text of protocol 0 is Latin-1, with escapes for the rest. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new Error(`the file ends within a line that began at ${this.at}`);
    const start = this.at;
    this.at = end + 1;
    return this.#bytes.toString('latin1', start, end);
  }

  #take(length: number): number {
    const start = this.at;
    if (start + length > this.#bytes.length) {
      throw new Error(`the file ends at ${this.#bytes.length}, within what began at ${start}`);
    }
    this.at += length;
    return start;
  }
}
