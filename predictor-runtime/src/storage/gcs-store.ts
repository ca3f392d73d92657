/**
 * Reads objects of Cloud Storage by its JSON API: gs://BUCKET/PREFIX. Credentials are Google's default ones (a key file
 * in GOOGLE_APPLICATION_CREDENTIALS, workload identity). Without any, the bucket must be public.
 */
import { httpGet, httpText } from './http-client.ts';
import {
  bucketAndPrefix,
  relativePath,
  type Store,
  type StoredFile,
  type StoreOpener,
} from './store.ts';

const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_only';

interface ObjectPage {
  readonly items?: { name: string; size: string; generation: string; md5Hash?: string }[];
  readonly nextPageToken?: string;
}

/** Opens a bucket of Cloud Storage. */
export const openGcs: StoreOpener = async (uri, env): Promise<Store> => {
  const emulator = env.STORAGE_EMULATOR_HOST;
  const base = emulator ?? 'https://storage.googleapis.com';
  const { bucket, prefix } = bucketAndPrefix(uri);
  const objects = `${base}/storage/v1/b/${encodeURIComponent(bucket)}/o`;
  const authorization = emulator === undefined ? await tokens() : async () => undefined;

  async function options() {
    const value = await authorization();
    return { env, headers: value === undefined ? {} : { authorization: value } };
  }

  return {
    async list() {
      const files: StoredFile[] = [];
      for (let token: string | undefined = ''; token !== undefined; ) {
        const url = new URL(objects);
        url.searchParams.set('prefix', prefix);
        if (token !== '') url.searchParams.set('pageToken', token);
        const page = JSON.parse(await httpText(url, await options())) as ObjectPage;
        for (const { name, size, generation, md5Hash } of page.items ?? []) {
          const path = relativePath(name, prefix);
          if (path === undefined) continue;
          files.push({
            path,
            key: name,
            size: Number(size),
            tag: generation,
            checksum:
              md5Hash === undefined
                ? undefined
                : { algorithm: 'md5', digest: Buffer.from(md5Hash, 'base64').toString('hex') },
            ranges: true,
          });
        }
        token = page.nextPageToken;
      }
      return files;
    },
    async read({ key = '', tag }, range) {
      const url = new URL(`${objects}/${encodeURIComponent(key)}`);
      url.searchParams.set('alt', 'media');
      if (tag !== undefined) url.searchParams.set('generation', tag);
      return httpGet(url, { ...(await options()), range });
    },
  };
};

/** Makes a function that returns the authorization of the default credentials; undefined when there are none. */
async function tokens(): Promise<() => Promise<string | undefined>> {
  const { GoogleAuth } = await import('google-auth-library');
  const auth = new GoogleAuth({ scopes: [SCOPE] });
  try {
    await auth.getClient();
  } catch {
    return async () => undefined;
  }
  return async () => `Bearer ${await auth.getAccessToken()}`;
}
