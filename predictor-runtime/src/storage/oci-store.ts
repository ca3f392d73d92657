/**
 * oci://REGISTRY/REPOSITORY[:TAG|@DIGEST]: a model in a container image, below its folder /models (KServe's modelcar),
 * or in an artifact whose layers are files with a title (ORAS). Credentials are those of Docker's config.json in
 * DOCKER_CONFIG. Source: OCI Distribution Specification, "Pull"; Docker Registry Token Authentication.
 */

import { readFileSync } from 'node:fs';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { join } from 'node:path';
import type { Env } from '../platform/environment.ts';
import { httpGet, httpText } from './http-client.ts';
import { type Store, type StoredFile, StoreError, type StoreOpener } from './store.ts';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

interface Manifest {
  /** Of an index: one for each platform. */
  readonly manifests?: readonly Descriptor[];
  readonly layers?: readonly Descriptor[];
}

const TITLE = 'org.opencontainers.image.title';
const MANIFESTS = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** Where the layers of an image are kept until they are unpacked; `layerOrder` of their names is theirs. */
export const LAYERS = '.layers';
/** The folder of an image that holds the model. */
export const MODEL_FOLDER = 'models';

export const openOci: StoreOpener = (uri, env): Store => {
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

const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;

/** Calls of one repository, with the token that its registry hands out. */
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

  /** Answers a registry's challenge: Basic, or Bearer with a token of its token server. */
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

/** `Basic …` of Docker's configuration for a registry. */
function dockerAuth(host: string, { DOCKER_CONFIG: dir }: Env): string | undefined {
  if (dir === undefined) return undefined;
  const { auths = {} } = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'));
  const entry = auths[host] ?? auths[`https://${host}`] ?? auths[`https://${host}/v1/`];
  if (entry === undefined) return undefined;
  const auth = entry.auth ?? Buffer.from(`${entry.username}:${entry.password}`).toString('base64');
  return `Basic ${auth}`;
}
