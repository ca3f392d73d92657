/// <reference path="./seek-bzip.d.ts" />
/** Decompresses files that joblib compressed, whichever of its ways was chosen; the first bytes tell which. */
import { gunzipSync, inflateSync } from 'node:zlib';
import { decompressSync as unpackLzma } from '@napi-rs/lzma/lzma';
import { decompressSync as unpackXz } from '@napi-rs/lzma/xz';
import { decompressFrameSync } from 'lz4-napi';
import bzip2 from 'seek-bzip';

/** Largest size of what a compressed file holds, in bytes, as a small file could otherwise fill the memory. */
const MAX_INFLATED = 4 * 2 ** 30 - 1;

const LIMIT = { maxOutputLength: MAX_INFLATED };

/** First bytes of a file, the name of its compression, and what undoes it. */
const COMPRESSIONS: readonly [magic: string, name: string, unpack: (bytes: Buffer) => Buffer][] = [
  ['\x78', 'zlib', (bytes) => inflateSync(bytes, LIMIT)],
  ['\x1f\x8b', 'gzip', (bytes) => gunzipSync(bytes, LIMIT)],
  ['BZh', 'bzip2', (bytes) => bzip2.decode(bytes)],
  ['\xfd7zXZ', 'xz', unpackXz],
  ['\x5d\0\0', 'lzma', unpackLzma],
  ['\x04\x22\x4d\x18', 'lz4', decompressFrameSync],
];

/** Returns what a file holds, or the file itself when it is not compressed. @throws Error when it is broken. */
export function decompressed(bytes: Buffer): Buffer {
  const start = bytes.toString('latin1', 0, 6);
  const [, name, unpack] = COMPRESSIONS.find(([magic]) => start.startsWith(magic)) ?? [];
  if (unpack === undefined) return bytes;
  try {
    return unpack(bytes);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(`it is compressed with ${name}, and broken: ${cause}`);
  }
}
