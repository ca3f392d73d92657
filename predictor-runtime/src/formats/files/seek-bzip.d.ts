/** The part of seek-bzip, which has no types of its own, that is called here. */
declare module 'seek-bzip' {
  const bzip2: {
    /** Reads one stream of bzip2, and writes what it holds. @throws Error when it is broken. */
    decode(input: { readByte(): number }, output: { writeByte(byte: number): void }): void;
    /** A stream that reads many bytes by what reads one. */
    Stream: new () => object;
  };
  export = bzip2;
}
