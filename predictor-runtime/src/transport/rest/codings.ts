/** The content codings of bodies and answers. Source: RFC 9110, 8.4 and 12.5.3. */
import { promisify } from 'node:util';
import { deflate, gunzip, gzip, inflate, zstdCompress, zstdDecompress } from 'node:zlib';
import { InferenceError } from '../../protocol/errors.ts';

const DECODERS = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  zstd: promisify(zstdDecompress),
};
const ENCODERS = {
  gzip: promisify(gzip),
  deflate: promisify(deflate),
  zstd: promisify(zstdCompress),
};
/** Name of a compression that bodies may have. */
export type Encoding = keyof typeof ENCODERS;
const ENCODINGS = Object.keys(ENCODERS) as Encoding[];

/** Most codings that one body may have, one around the other: each may take as much time as the first. */
const MAX_CODINGS = 4;

/**
 * Reads a header `Content-Encoding`: the codings of a body in the order in which they were applied.
 * @throws InferenceError UNSUPPORTED_MEDIA_TYPE.
 */
export function codingsOf(header = ''): Encoding[] {
  if (header === '') return [];
  const names = namesIn(header).filter((name) => name !== '' && name !== 'identity');
  if (names.length > MAX_CODINGS) {
    throw new InferenceError(
      'UNSUPPORTED_MEDIA_TYPE',
      `content-encoding: a body may have ${MAX_CODINGS} codings, this has ${names.length}`,
    );
  }
  return names.map((name) => {
    const known = ENCODINGS.find((encoding) => encoding === name);
    if (known !== undefined) return known;
    const list = `${ENCODINGS.slice(0, -1).join(', ')} or ${ENCODINGS.at(-1)}`;
    throw new InferenceError(
      'UNSUPPORTED_MEDIA_TYPE',
      `content-encoding '${name}' is not supported, use ${list}`,
    );
  });
}

/** Returns the names in a list of codings, which may be in capitals; `x-gzip` is an old name of gzip. */
function namesIn(list: string): string[] {
  return list.split(',').map((name) =>
    name
      .trim()
      .toLowerCase()
      .replace(/^x-gzip\b/, 'gzip'),
  );
}

/** Returns the coding that a client's header `Accept-Encoding` likes best; undefined for none. */
export function acceptedCoding(header = ''): Encoding | undefined {
  const weights = new Map<string | undefined, number>();
  for (const item of namesIn(header)) {
    const [name, weight] = item.split(/\s*;\s*q\s*=\s*/);
    weights.set(name, Number(weight ?? 1));
  }
  const weightOf = (encoding: Encoding) => weights.get(encoding) ?? 0;
  const [best] = ENCODINGS.filter((encoding) => weightOf(encoding) > 0).sort(
    (a, b) => weightOf(b) - weightOf(a),
  );
  return best;
}

/** Decompresses a body; it fails with ERR_BUFFER_TOO_LARGE beyond `limit` bytes. */
export function decompress(bytes: Buffer, encoding: Encoding, limit: number): Promise<Buffer> {
  return DECODERS[encoding](bytes, { maxOutputLength: limit });
}

/** Compresses the body of an answer. */
export function compress(bytes: Buffer, encoding: Encoding): Promise<Buffer> {
  return ENCODERS[encoding](bytes);
}
