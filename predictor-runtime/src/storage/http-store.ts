/**
 * Reads one file over http:// or https://, which is named as in the URL. `{host}-headers` has extra headers (KServe).
 */
import { basename } from 'node:path';
import { httpGet } from './http-client.ts';
import { decodedPath, type Store, StoreError, type StoreOpener } from './store.ts';

/** Opens the store of one file. */
export const openHttp: StoreOpener = (text, env): Store => {
  const uri = new URL(text);
  const extra = env[`${uri.host}-headers`];
  const headers = extra === undefined ? {} : parseHeaders(extra, uri.host);
  return {
    async list() {
      const response = await httpGet(uri, {
        env,
        headers: { ...headers, 'accept-encoding': 'identity' },
        method: 'HEAD',
        // A presigned URL is for GET alone: the store refuses the other method, and says nothing of the file.
        accept: [403, 405, 501],
      });
      response.resume();
      const answered = response.statusCode === 200 ? response.headers : {};
      const size = answered['content-length'];
      return [
        {
          path: basename(decodedPath(uri)) || 'model',
          size: size === undefined ? undefined : Number(size),
          tag: answered.etag ?? answered['last-modified'],
          ranges: answered['accept-ranges'] === 'bytes',
        },
      ];
    },
    async read({ tag }, range) {
      // With a strong tag, the server refuses a part of a file whose content has changed.
      const condition = range !== undefined && tag?.startsWith('"') ? { 'if-match': tag } : {};
      const all = { ...headers, ...condition, 'accept-encoding': 'identity' };
      const response = await httpGet(uri, { env, headers: all, range });
      if (range !== undefined && response.statusCode !== 206) {
        response.destroy();
        throw new StoreError(`the server answered ${response.statusCode} to a request for a part`);
      }
      return response;
    },
  };
};

function parseHeaders(text: string, host: string): Record<string, string> {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new StoreError(`${host}-headers is not JSON: ${(error as Error).message}`);
  }
}
