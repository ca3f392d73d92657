/**
 * Finds the members that follow each other in a compressed file, and tells how much each of them holds without
 * unpacking it: xz and lz4 lay that down piece by piece, and their decoders go by it. What a head says of the whole
 * size is not looked at, as it may be a lie.
 */

/** A part of a compressed file that can be unpacked by itself. */
export interface Member {
  readonly bytes: Buffer;
  /** Number of bytes that it holds. */
  readonly size: number;
}

/** Number of bytes that a piece of a file holds, and where it ends. */
interface Piece {
  readonly size: number;
  readonly end: number;
}

/** Returns the streams of an xz file. @throws Error when the file is cut off. */
export function xzStreams(bytes: Buffer): Member[] {
  return membersOf(bytes, readXzStream);
}

/** Returns the frames of an lz4 file. @throws Error when the file is cut off. */
export function lz4Frames(bytes: Buffer): Member[] {
  return membersOf(bytes, readLz4Frame);
}

function membersOf(bytes: Buffer, readMember: (bytes: Buffer, start: number) => Piece): Member[] {
  const members: Member[] = [];
  for (let start = 0; start < bytes.length; ) {
    const { size, end } = readMember(bytes, start);
    if (end > bytes.length) throw cutOff(bytes);
    members.push({ bytes: bytes.subarray(start, end), size });
    start = end;
    // Zeros may fill up the space behind a member.
    while (bytes[start] === 0) start += 1;
  }
  return members;
}

function cutOff(bytes: Buffer): Error {
  return new Error(`the file ends at ${bytes.length}`);
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw cutOff(bytes);
  return byte;
}

/** Sizes of the checks behind a block of xz, by the number of the check. */
const XZ_CHECKS = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const XZ_HEAD = 12;
/** Size of the check of the index and of what follows it. */
const XZ_FOOT = 4 + 12;

function readXzStream(bytes: Buffer, start: number): Piece {
  const check = XZ_CHECKS[byteAt(bytes, start + 7) & 15] as number;
  let at = start + XZ_HEAD;
  let size = 0;
  // A block begins with the size of its head; the index behind the last block begins with 0.
  for (let head = byteAt(bytes, at); head !== 0; head = byteAt(bytes, at)) {
    const chunks = readLzma2Chunks(bytes, at + (head + 1) * 4);
    size += chunks.size;
    at = filledUp(start, chunks.end) + check;
  }
  return { size, end: filledUp(start, xzIndexEnd(bytes, at)) + XZ_FOOT };
}

/** Returns the end of something that is filled up to a multiple of four bytes from the start of its stream. */
function filledUp(start: number, end: number): number {
  return start + Math.ceil((end - start) / 4) * 4;
}

/** Returns where the records of an index end: two numbers for each block, each of one byte or more. */
function xzIndexEnd(bytes: Buffer, start: number): number {
  let at = start + 1;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = byteAt(bytes, at++);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  for (let left = 2 * number(); left > 0; left--) number();
  return at;
}

function readLzma2Chunks(bytes: Buffer, start: number): Piece {
  const shortAt = (at: number) => byteAt(bytes, at) * 256 + byteAt(bytes, at + 1);
  let at = start;
  let size = 0;
  for (let control = byteAt(bytes, at); control !== 0; control = byteAt(bytes, at)) {
    const low = shortAt(at + 1) + 1;
    if (control < 0x80) {
      size += low;
      at += 3 + low;
    } else {
      size += (control & 0x1f) * 2 ** 16 + low;
      at += (control < 0xc0 ? 5 : 6) + shortAt(at + 3) + 1;
    }
  }
  return { size, end: at + 1 };
}

/** Flags of an lz4 frame: what its head, its blocks and its end have beyond what all have. */
const LZ4_BLOCK_CHECK = 0x10;
const LZ4_SIZE = 0x08;
const LZ4_CHECK = 0x04;
const LZ4_DICTIONARY = 0x01;

function readLz4Frame(bytes: Buffer, start: number): Piece {
  const flags = byteAt(bytes, start + 4);
  const has = (flag: number, size: number) => ((flags & flag) === 0 ? 0 : size);
  let at = start + 7 + has(LZ4_SIZE, 8) + has(LZ4_DICTIONARY, 4);
  let size = 0;
  for (;;) {
    byteAt(bytes, at + 3);
    const head = bytes.readUInt32LE(at);
    if (head === 0) return { size, end: at + 4 + has(LZ4_CHECK, 4) };
    // The highest bit marks a block that is stored as it is.
    const length = head & 0x7fffffff;
    const block = bytes.subarray(at + 4, at + 4 + length);
    if (block.length < length) throw cutOff(bytes);
    size += head > 0x7fffffff ? length : lz4BlockSize(block);
    at += 4 + length + has(LZ4_BLOCK_CHECK, 4);
  }
}

/** Adds up the literals and the matches of a compressed block. */
function lz4BlockSize(block: Buffer): number {
  let at = 0;
  let size = 0;
  const lengthOf = (nibble: number) => {
    let length = nibble;
    for (let more = nibble < 15 ? 0 : 255; more === 255; length += more) more = byteAt(block, at++);
    return length;
  };
  while (at < block.length) {
    const token = byteAt(block, at++);
    const literals = lengthOf(token >> 4);
    size += literals;
    at += literals;
    if (at >= block.length) break;
    at += 2;
    size += lengthOf(token & 15) + 4;
  }
  return size;
}
