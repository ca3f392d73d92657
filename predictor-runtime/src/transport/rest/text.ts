/** The text of bodies: UTF-8 unless their media type names another charset, and JSON. */
import type { IncomingMessage } from 'node:http';
import { TextDecoder } from 'node:util';
import { InferenceError, invalid } from '../../protocol/errors.ts';
import { parseBytes } from '../../protocol/v2/json-document.ts';
import { type BodyOptions, readBody } from './body.ts';

/** Matches the charset that a media type names. Source: RFC 9110, 8.3.2. */
const CHARSET = /;\s*charset\s*=\s*"?([^\s";]+)/i;
/** Matches the names of charsets that are UTF-8, or a part of it. */
const UTF8 = /^(?:utf-?8|us-ascii)$/i;

/**
 * Returns a body's text in UTF-8; a body that names no charset is returned as it is.
 * @throws InferenceError UNSUPPORTED_MEDIA_TYPE for a charset that is unknown, INVALID_ARGUMENT for text that has
 *   another.
 */
export function inUtf8(req: IncomingMessage, text: Buffer): Buffer {
  const charset = CHARSET.exec(req.headers['content-type'] ?? '')?.[1];
  if (charset === undefined || UTF8.test(charset)) return text;
  const decoder = decoderOf(charset);
  try {
    return Buffer.from(decoder.decode(text));
  } catch {
    throw invalid(`body is not in the charset ${charset} that its content-type names`);
  }
}

function decoderOf(charset: string): TextDecoder {
  try {
    return new TextDecoder(charset, { fatal: true });
  } catch {
    throw new InferenceError(
      'UNSUPPORTED_MEDIA_TYPE',
      `content-type: charset '${charset}' is not supported, send UTF-8`,
    );
  }
}

const SPACE = 0x20;

/** Reads the whole body as JSON; undefined when it is empty. @throws InferenceError as `readBody` and `parse` do. */
export async function readJson(req: IncomingMessage, options: BodyOptions): Promise<unknown> {
  const text = inUtf8(req, await readBody(req, options));
  return text.some((byte) => byte > SPACE) ? parseBytes(text) : undefined;
}
