/** The part of seek-bzip, which has no types of its own, that is called here. */
declare module 'seek-bzip' {
  const bzip2: {
    /** Returns what bytes of bzip2 hold. @throws Error when they are broken. */
    decode(bytes: Buffer): Buffer;
  };
  export = bzip2;
}
