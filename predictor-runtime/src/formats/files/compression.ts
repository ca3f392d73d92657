/// <reference path="./seek-bzip.d.ts" />
/** Decompresses files that joblib compressed, whichever of its ways was chosen; the first bytes tell which. */
import { gunzipSync, inflateSync } from 'node:zlib';
import { decompressSync as unpackLzma } from '@napi-rs/lzma/lzma';
import { decompressSync as unpackXz } from '@napi-rs/lzma/xz';
import { decompressFrameSync as unpackLz4 } from 'lz4-napi';
import bzip2 from 'seek-bzip';
import { lz4Frames, type Member, xzStreams } from './compressed-members.ts';

/** Largest size of what a compressed file holds, in bytes, as a small file could otherwise fill the memory. */
const MAX_INFLATED = 4 * 2 ** 30 - 1;

/** Returns what a file holds. @throws TooLarge when that is more than the limit, and Error when the file is broken. */
type Decompression = (bytes: Buffer, limit: number) => Buffer;

/** Thrown for a file that holds more than the limit. */
class TooLarge extends Error {}

/** First bytes of a file, the name of its compression, and what undoes it. */
const COMPRESSIONS: readonly [magic: string, name: string, decompress: Decompression][] = [
  ['\x78', 'zlib', byNode(inflateSync)],
  ['\x1f\x8b', 'gzip', byNode(gunzipSync)],
  ['BZh', 'bzip2', decompressBzip2],
  ['\xfd7zXZ', 'xz', byMember(xzStreams, unpackXz)],
  ['\x5d\0\0', 'lzma', byMember(lzmaMembers, unpackLzma)],
  ['\x04\x22\x4d\x18', 'lz4', byMember(lz4Frames, unpackLz4)],
];

/**
 * Returns what a file holds, or the file itself when it is not compressed.
 * @param limit largest size of what it may hold, in bytes
 * @throws Error when it is cut off or broken, or holds more.
 */
export function decompressed(bytes: Buffer, limit = MAX_INFLATED): Buffer {
  const start = bytes.toString('latin1', 0, 6);
  const [, name, decompress] = COMPRESSIONS.find(([magic]) => start.startsWith(magic)) ?? [];
  if (decompress === undefined) return bytes;
  try {
    return decompress(bytes, limit);
  } catch (error) {
    if (error instanceof TooLarge) {
      const what = `it is compressed with ${name}, and holds more than ${limit} bytes`;
      throw new Error(`${what}: save it without compression`);
    }
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(`it is compressed with ${name}, and cut off or broken: ${cause}`);
  }
}

function byNode(inflate: typeof inflateSync): Decompression {
  return (bytes, limit) => {
    try {
      return inflate(bytes, { maxOutputLength: limit });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw new TooLarge();
      throw error;
    }
  };
}

/** Makes a decompression of an unpacking that knows no limit: how much there is, is looked at first. */
function byMember(
  membersOf: (bytes: Buffer, limit: number) => Member[],
  unpack: (bytes: Buffer) => Buffer,
): Decompression {
  return (bytes, limit) => {
    const members = membersOf(bytes, limit);
    if (members.reduce((total, { size }) => total + size, 0) > limit) throw new TooLarge();
    const [first, ...others] = members.map((member) => unpack(member.bytes));
    return others.length === 0 ? (first as Buffer) : Buffer.concat([first as Buffer, ...others]);
  };
}

/** Decompresses bzip2, one stream after the other, byte by byte into memory that grows up to the limit. */
function decompressBzip2(bytes: Buffer, limit: number): Buffer {
  let at = 0;
  let held = Buffer.allocUnsafe(Math.min(2 ** 16, limit));
  let size = 0;
  const input = Object.assign(new bzip2.Stream(), {
    readByte: () => {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error(`the file ends at ${bytes.length}`);
      return byte;
    },
  });
  const output = {
    writeByte: (byte: number) => {
      if (size === limit) throw new TooLarge();
      if (size === held.length) {
        const more = Buffer.allocUnsafe(Math.min(size * 2, limit));
        held.copy(more);
        held = more;
      }
      held[size++] = byte;
    },
  };
  while (at < bytes.length) bzip2.decode(input, output);
  return held.subarray(0, size);
}

/** Place in the head of an lzma file of the size of what it holds, in 8 bytes; joblib leaves it open, all bits set. */
const LZMA_SIZE = 5;
const LZMA_HEAD = 13;
const OPEN = 2n ** 64n - 1n;

/**
 * Returns an lzma file as a member. Its decoder stops where the head says that the file ends, but knows no other limit:
 * where the head leaves the size open, it is tried first with one beyond the limit, and tells how far it came.
 */
function lzmaMembers(bytes: Buffer, limit: number): Member[] {
  if (bytes.length < LZMA_HEAD) throw new Error(`the file ends at ${bytes.length}`);
  const size = bytes.readBigUInt64LE(LZMA_SIZE);
  return [{ bytes, size: size === OPEN ? openLzmaSize(bytes, limit + 1) : Number(size) }];
}

/** Returns how many bytes an lzma file holds, or a number that is not below `most` when it holds as many or more. */
function openLzmaSize(bytes: Buffer, most: number): number {
  const closed = Buffer.from(bytes);
  closed.writeBigUInt64LE(BigInt(most), LZMA_SIZE);
  try {
    return unpackLzma(closed).length;
  } catch (error) {
    const [, size] = /decompressed to (\d+)/.exec(String(error)) ?? [];
    if (size === undefined) throw error;
    return Number(size);
  }
}
