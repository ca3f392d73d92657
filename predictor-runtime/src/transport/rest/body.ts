/** A request's body: bounded in size, also after decompression; and whether an answer is compressed. */
import type { IncomingMessage } from 'node:http';
import { countReceived } from '../../platform/young-collection.ts';
import { InferenceError, invalid } from '../../protocol/errors.ts';
import { acceptedCoding, codingsOf, decompress, type Encoding } from './codings.ts';

/** Size below which an answer is not worth compressing, in bytes. */
const MIN_COMPRESSED = 1024;

/** Bounds of a body, and memory for it. */
export interface BodyOptions {
  /** Most bytes of the body, before and after decompression. */
  readonly limit: number;
  /** Finds room for a large body; new memory if not given. */
  readonly take?: (length: number) => Buffer;
}

/**
 * Reads the whole body, decompressed.
 * @throws InferenceError REQUEST_TOO_LARGE as soon as `limit` bytes are passed, before or after decompression;
 *   UNSUPPORTED_MEDIA_TYPE, INVALID_ARGUMENT.
 */
export async function readBody(
  req: IncomingMessage,
  { limit, take }: BodyOptions,
): Promise<Buffer> {
  const codings = codingsOf(req.headers['content-encoding']);
  let bytes = await receive(req, { limit, take });
  for (const coding of codings.reverse()) bytes = await decoded(bytes, coding, limit);
  return bytes;
}

function decoded(bytes: Buffer, coding: Encoding, limit: number): Promise<Buffer> {
  return decompress(bytes, coding, limit).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit);
    throw invalid(`body is not ${coding}: ${error.message}`);
  });
}

/**
 * Receives a body. One whose length is told gets its place at once; otherwise the parts are put together at the end.
 */
function receive(
  req: IncomingMessage,
  { limit, take = Buffer.allocUnsafeSlow }: BodyOptions,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const told = Number(req.headers['content-length'] ?? Number.NaN);
  let whole = told > MIN_PLACED && told <= limit ? take(told) : undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  req.on('data', (chunk: Buffer) => {
    const start = size;
    size += chunk.length;
    // Beyond the limit the rest is read and dropped: a client that still sends would not see the answer.
    if (size > limit) reject(tooLarge(limit));
    else if (whole === undefined) chunks.push(chunk);
    else whole.set(chunk, start);
  });
  req.on('end', () => {
    countReceived(size);
    resolve(whole ?? (chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    whole = undefined;
  });
  req.on('error', reject);
  if (told > limit) reject(tooLarge(limit));
  return promise;
}

/** Size up to which bodies come in one part, in bytes. */
const MIN_PLACED = 64 << 10;

function tooLarge(limit: number): InferenceError {
  return new InferenceError(
    'REQUEST_TOO_LARGE',
    `body is larger than ${limit} bytes; send fewer rows at a time`,
  );
}

/** Returns the coding that a client accepts for an answer of this size; undefined for none. */
export function answerEncoding(req: IncomingMessage, size: number): Encoding | undefined {
  const accepted = req.headers['accept-encoding'];
  return accepted === undefined || size < MIN_COMPRESSED
    ? undefined
    : acceptedCoding(String(accepted));
}
