/** http:// and https://: one file, named as in the URL. Extra headers come from `{host}-headers` (KServe). */
import { basename } from 'node:path';
import { httpGet } from './http-client.ts';
import { type Store, StoreError, type StoreOpener } from './store.ts';

export const openHttp: StoreOpener = (uri, env): Store => {
  const extra = env[`${uri.host}-headers`];
  const headers = extra === undefined ? {} : parseHeaders(extra, uri.host);
  return {
    async list() {
      const response = await httpGet(uri, {
        env,
        headers: { ...headers, 'accept-encoding': 'identity' },
        method: 'HEAD',
        accept: [405, 501],
      });
      response.resume();
      const answered = response.statusCode === 200 ? response.headers : {};
      const size = answered['content-length'];
      return [
        {
          path: basename(decodeURIComponent(uri.pathname)) || 'model',
          size: size === undefined ? undefined : Number(size),
          tag: answered.etag ?? answered['last-modified'],
          ranges: answered['accept-ranges'] === 'bytes',
        },
      ];
    },
    async read({ tag }, range) {
      // A strong tag makes the server refuse a part of another content.
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
