/**
 * Reads the files of a repository on the Hugging Face hub, or on HF_ENDPOINT, at the commit that the revision names
 * now: hf://OWNER/MODEL[:REVISION][/PATH]. HF_TOKEN opens private repositories.
 */
import { httpGet, httpText } from './http-client.ts';
import {
  bucketAndPrefix,
  type Store,
  type StoredFile,
  StoreError,
  type StoreOpener,
} from './store.ts';

/** An entry of a repository's tree, as the hub tells it. */
interface TreeEntry {
  readonly type: string;
  readonly path: string;
  readonly size: number;
  /** Id of git's object. */
  readonly oid: string;
  /** The file in git's large file storage, where it is there; its `oid` is the SHA-256 of the content. */
  readonly lfs?: { readonly oid: string; readonly size: number };
}

/** Returns a path with each of its segments escaped for a URL. */
function escaped(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** Opens a repository of the hub. */
export const openHuggingFace: StoreOpener = (uri, env): Store => {
  const { bucket: owner, prefix: path } = bucketAndPrefix(uri);
  const [, model = '', revision = 'main', below = ''] =
    /^([^/:]+)(?::([^/]+))?\/?(.*)$/s.exec(path) ?? [];
  if (owner === '' || model === '') {
    throw new StoreError(
      'expected hf://OWNER/MODEL, hf://OWNER/MODEL:REVISION or a path below them',
    );
  }
  const base = env.HF_ENDPOINT ?? 'https://huggingface.co';
  const repository = `${escaped(owner)}/${escaped(model)}`;
  const token = env.HF_TOKEN ?? env.HUGGING_FACE_HUB_TOKEN;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const options = { env, headers };
  let commit = '';

  return {
    async list() {
      const about = new URL(
        `${base}/api/models/${repository}/revision/${encodeURIComponent(revision)}`,
      );
      commit = JSON.parse(await httpText(about, options)).sha;
      const tree = new URL(
        `${base}/api/models/${repository}/tree/${commit}/${escaped(below)}?recursive=true`,
      );
      const prefix = below === '' ? '' : `${below}/`;
      return (await pages(tree))
        .filter(({ type, path }) => type === 'file' && path.startsWith(prefix))
        .map(
          ({ path, size, oid, lfs }): StoredFile => ({
            path: path.slice(prefix.length),
            size: lfs?.size ?? size,
            tag: lfs?.oid ?? oid,
            checksum: lfs && { algorithm: 'sha256', digest: lfs.oid },
            ranges: true,
          }),
        );
    },
    read({ path }, range) {
      const file = escaped(below === '' ? path : `${below}/${path}`);
      return httpGet(new URL(`${base}/${repository}/resolve/${commit}/${file}`), {
        ...options,
        range,
      });
    },
  };

  /** Reads all pages of a listing. */
  async function pages(first: URL): Promise<TreeEntry[]> {
    const entries: TreeEntry[] = [];
    for (let url: URL | undefined = first; url !== undefined; ) {
      const response = await httpGet(url, options);
      const parts = (await response.toArray()) as Buffer[];
      entries.push(...JSON.parse(Buffer.concat(parts).toString()));
      const next = /<([^>]+)>;\s*rel="next"/.exec(String(response.headers.link ?? ''))?.[1];
      url = next === undefined ? undefined : new URL(next, url);
    }
    return entries;
  }
};
