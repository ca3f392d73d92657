/**
 * Reads models of container registries: oci://REGISTRY/REPOSITORY[:TAG|@DIGEST]. The model is in an image, below its
 * folder /models (KServe's modelcar), or in an artifact whose layers are files with a title (ORAS). Credentials are
 * those of Docker's config.json in DOCKER_CONFIG. Source: OCI Distribution Specification, "Pull"; Docker Registry Token
 * Authentication.
 */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import type { Env } from '../platform/environment.ts';
import { httpGet, httpText } from './http-client.ts';
import { type Store, type StoredFile, StoreError, type StoreOpener } from './store.ts';

/** A blob or manifest, as a manifest names it. */
interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

/** An image, or an index of images. */
interface Manifest {
  /** Images of an index, one for each platform. */
  readonly manifests?: readonly Descriptor[];
  /** Layers of an image, the lowest first. */
  readonly layers?: readonly Descriptor[];
}

/** Annotation of a layer that is a file with a name. */
const TITLE = 'org.opencontainers.image.title';
/** Media types of manifests that are read here. */
const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** Folder in which an image's layers are kept until they are unpacked. Their names are in the order of the layers. */
export const LAYERS = '.layers';
/** Folder of an image that holds the model. */
export const MODEL_FOLDER = 'models';

/** Opens a repository of a registry. */
export const openOci: StoreOpener = (reference, env): Store => {
  const uri = new URL(reference);
  const [, path = '', tag, digest] =
    /^\/([^:@]+)(?::([^@]+))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(uri.pathname) ?? [];
  if (path === '')
    throw new StoreError('expected oci://REGISTRY/REPOSITORY, with :TAG or @sha256:DIGEST');
  const insecure = env.OCI_INSECURE_REGISTRY === 'true' || /^(localhost|127\.)/.test(uri.hostname);
  const registry = uri.host === 'docker.io' ? 'registry-1.docker.io' : uri.host;
  const base = `${insecure ? 'http' : 'https'}://${registry}/v2/${path}`;
  const session = new RegistrySession(uri.host, path, env);

  async function manifest(reference: string): Promise<Manifest> {
    const url = new URL(`${base}/manifests/${reference}`);
    const response = await session.get(url, { headers: { accept: MANIFESTS } });
    const parts = (await response.toArray()) as Buffer[];
    return JSON.parse(Buffer.concat(parts).toString()) as Manifest;
  }

  return {
    async list() {
      let found = await manifest(digest ?? tag ?? 'latest');
      if (found.manifests !== undefined) {
        const { manifests } = found;
        const fitting = manifests.find(({ platform }) => platform?.architecture === ARCHITECTURE);
        const chosen = fitting ?? manifests[0];
        if (chosen === undefined) throw new StoreError('the index names no image');
        found = await manifest(chosen.digest);
      }
      return (found.layers ?? []).map(
        (layer, i): StoredFile => ({
          path: layer.annotations?.[TITLE] ?? `${LAYERS}/${String(i).padStart(4, '0')}.tar`,
          key: layer.digest,
          size: layer.size,
          tag: layer.digest,
          checksum: { algorithm: 'sha256', digest: layer.digest.replace('sha256:', '') },
          ranges: true,
        }),
      );
    },
    async read({ key }, range) {
      const response = await session.get(new URL(`${base}/blobs/${key}`), { range });
      if (range !== undefined && response.statusCode === 200 && range.start > 0) {
        response.destroy();
        throw new StoreError('the registry does not serve parts of blobs');
      }
      return response;
    },
  };
};

/** Name of this machine's architecture in an index. */
const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;

/** Sends requests about one repository, with the token that its registry hands out. */
class RegistrySession {
  readonly #host: string;
  readonly #repository: string;
  readonly #env: Env;
  #authorization: string | undefined;

  constructor(host: string, repository: string, env: Env) {
    this.#host = host;
    this.#repository = repository;
    this.#env = env;
  }

  /** Returns the response to a request. @throws StoreError when the registry refuses it. */
  async get(
    url: URL,
    {
      headers = {},
      range,
    }: { headers?: OutgoingHttpHeaders; range?: { start: number; end: number } },
  ): Promise<IncomingMessage> {
    const send = () =>
      httpGet(url, {
        env: this.#env,
        range,
        headers: { ...headers, ...(this.#authorization && { authorization: this.#authorization }) },
        accept: [401],
      });
    const response = await send();
    if (response.statusCode !== 401) return response;
    response.resume();
    await this.#authorize(String(response.headers['www-authenticate'] ?? ''));
    const again = await send();
    if (again.statusCode !== 401) return again;
    again.resume();
    throw new StoreError(`registry ${this.#host} refuses the credentials for ${this.#repository}`);
  }

  /** Gets the authorization that a registry's challenge asks for: Basic, or Bearer with a token of its token server. */
  async #authorize(challenge: string): Promise<void> {
    const basic = dockerAuth(this.#host, this.#env);
    if (/^basic/i.test(challenge)) {
      this.#authorization = basic;
      return;
    }
    const fields = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
    );
    if (fields.realm === undefined) return;
    const url = new URL(fields.realm);
    if (fields.service) url.searchParams.set('service', fields.service);
    url.searchParams.set('scope', fields.scope ?? `repository:${this.#repository}:pull`);
    const headers = basic === undefined ? {} : { authorization: basic };
    const answer = JSON.parse(await httpText(url, { env: this.#env, headers }));
    this.#authorization = `Bearer ${answer.token ?? answer.access_token}`;
  }
}

/** Returns the Basic authorization that Docker's configuration has for a registry; undefined when it has none. */
function dockerAuth(host: string, { DOCKER_CONFIG: dir }: Env): string | undefined {
  if (dir === undefined) return undefined;
  const { auths = {} } = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'));
  const entry = auths[host] ?? auths[`https://${host}`] ?? auths[`https://${host}/v1/`];
  if (entry === undefined) return undefined;
  const auth = entry.auth ?? Buffer.from(`${entry.username}:${entry.password}`).toString('base64');
  return `Basic ${auth}`;
}
