/** Compressions of gRPC's messages. Source: gRPC over HTTP/2, "Message-Encoding"; the size is bounded here. */
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { tooLarge } from './frames.ts';
import { CallError, Status } from './status.ts';

const DECOMPRESS = { gzip: promisify(gunzip), deflate: promisify(inflate) } as const;

/** Name of a compression in the header `grpc-encoding`. */
export type Compression = 'identity' | keyof typeof DECOMPRESS;

/** Says whether a name is that of a compression that is known here. */
export function isCompression(name: unknown): name is Compression {
  return name === 'identity' || (typeof name === 'string' && Object.hasOwn(DECOMPRESS, name));
}

/**
 * Decompresses a message.
 * @throws CallError RESOURCE_EXHAUSTED when it holds more than `limit` bytes; INTERNAL when it is broken, or the call
 *   has named no compression
 */
export async function decompressed(
  bytes: Buffer,
  compression: Compression,
  limit: number,
): Promise<Buffer> {
  if (compression === 'identity') {
    const message =
      'a message is marked as compressed, and the header grpc-encoding names no compression';
    throw new CallError(Status.INTERNAL, message);
  }
  try {
    return await DECOMPRESS[compression](bytes, { maxOutputLength: limit });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit + 1, limit);
    throw new CallError(Status.INTERNAL, `the message is not ${compression}: ${message}`);
  }
}
