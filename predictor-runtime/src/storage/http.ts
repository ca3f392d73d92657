/** http:// and https://: one file, named as in the URL. Extra headers come from `{host}-headers` (KServe). */
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { writeDownload } from './download.ts';
import type { FetchOptions } from './storage.ts';

export async function downloadHttp(uri: URL, { dir, env }: FetchOptions): Promise<string> {
  const extra = env[`${uri.host}-headers`];
  const response = await fetch(uri, { headers: extra === undefined ? {} : JSON.parse(extra) });
  if (!response.ok || response.body === null) {
    throw new Error(`the server answered ${response.status} ${response.statusText}`);
  }
  // A compressed transfer's length is not the file's.
  const length = response.headers.get('content-length');
  const exact = length !== null && !response.headers.has('content-encoding');
  await writeDownload(Readable.fromWeb(response.body as ReadableStream), {
    dir,
    path: basename(decodeURIComponent(uri.pathname)) || 'model',
    size: exact ? Number(length) : undefined,
  });
  return dir;
}
