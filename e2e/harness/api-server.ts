/**
 * A real kube-apiserver with its etcd on loopback and nothing else: no kubelet, no controller manager. It has
 * certificates, tokens, ports and a data folder of its own, and is up in about three seconds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { loadAll } from 'js-yaml';
import { Agent, request } from 'undici';
import { ROOT, TEST_NODE_BIN } from './cluster.ts';
import { eventually } from './load.ts';
import { works } from './shell.ts';

const KUBE_APISERVER = join(TEST_NODE_BIN, 'kube-apiserver');
const CRD_FILES = ['inferenceservices', 'servingruntimes'].map((plural) =>
  join(ROOT, `config/crd/serving.kserve.io_${plural}.yaml`),
);

/** Path of the kube-apiserver when it and etcd are at hand; e2e/cluster/build brings both. */
export async function availableApiServer(): Promise<string | undefined> {
  const isThere = existsSync(KUBE_APISERVER) && (await works('etcd', '--version'));
  return isThere ? KUBE_APISERVER : undefined;
}

export interface ApiServerOptions {
  /** False leaves out the CRDs of config/crd. */
  readonly crds?: boolean;
}

/** Starts etcd and the API server; resolves when it answers and knows the CRDs. */
export async function startApiServer({ crds = true }: ApiServerOptions = {}): Promise<ApiServer> {
  const [securePort, etcdPort, peerPort] = await freePorts(3);
  const server = new ApiServer(securePort as number, etcdPort as number);
  try {
    await server.start(peerPort as number);
    if (crds) await server.installCrds();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

export class ApiServer {
  readonly #dir = mkdtempSync(join(tmpdir(), 'wherry-apiserver-'));
  readonly #token = randomUUID();
  readonly #port: number;
  readonly #etcd: string;
  readonly #processes = new Map<'etcd' | 'kube-apiserver', ChildProcess>();
  #agent: Agent | undefined;

  /** Use `startApiServer`. */
  constructor(securePort: number, etcdPort: number) {
    this.#port = securePort;
    this.#etcd = `http://127.0.0.1:${etcdPort}`;
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** The API server's own certificate and the authority that it made for it. */
  get certificate(): string {
    return readFileSync(join(this.#dir, 'certs/apiserver.crt'), 'utf8');
  }

  /** The administrator's kubeconfig; `server` may name a proxy in between. */
  kubeConfig(server = this.url): KubeConfig {
    const config = new KubeConfig();
    const caData = Buffer.from(this.certificate).toString('base64');
    const skipTLSVerify = server.startsWith('http:');
    config.loadFromClusterAndUser(
      { name: 'test', server, caData, skipTLSVerify },
      { name: 'admin', token: this.#token },
    );
    return config;
  }

  /** Asks as the administrator for what no client of ours has a method for. @throws Error when refused. */
  async request(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'PUT',
    path: string,
    body?: object,
    type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
  ) {
    this.#agent ??= new Agent({ connect: { ca: this.certificate } });
    const { statusCode, body: answer } = await request(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        'content-type': type,
      },
      body: body === undefined ? null : JSON.stringify(body),
      dispatcher: this.#agent,
    });
    const text = await answer.text();
    if (statusCode >= 300) throw new Error(`${method} ${path}: ${statusCode} ${text}`);
    return text;
  }

  /** Applies an object on the server as `manager`, with or without force, as kubectl and Helm do. */
  async apply(path: string, object: object, manager: string, force: boolean): Promise<void> {
    const query = `?fieldManager=${manager}&force=${force}`;
    await this.request('PATCH', `${path}${query}`, object, 'application/apply-patch+yaml');
  }

  /** Installs the CRDs of config/crd and waits until they are served. */
  async installCrds(): Promise<void> {
    for (const file of CRD_FILES) {
      for (const crd of loadAll(readFileSync(file, 'utf8')) as Crd[]) {
        await this.request('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd);
        const { group, names, versions } = crd.spec;
        const collection = `/apis/${group}/${versions[0]?.name}/${names.plural}`;
        await eventually(`${names.plural} are served`, () => this.request('GET', collection));
      }
    }
  }

  /** Makes a namespace and returns its name, which begins with `prefix`. */
  async namespace(prefix: string): Promise<string> {
    const name = `${prefix}-${randomUUID().slice(0, 8)}`;
    await this.request('POST', '/api/v1/namespaces', { metadata: { name } });
    return name;
  }

  /** Ends the API server as a power cut would; etcd stays. */
  async kill(): Promise<void> {
    await this.#end('kube-apiserver');
  }

  /** Starts the API server again on the same port; what its watch cache held is forgotten. */
  async restart(): Promise<void> {
    await this.kill();
    await this.#startApiServer();
  }

  /** Stops the API server's clock: connections stay open and nothing answers, as behind a broken network. */
  freeze(): void {
    this.#processes.get('kube-apiserver')?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#processes.get('kube-apiserver')?.kill('SIGCONT');
  }

  /** Makes etcd forget every version before the present one, as it does by itself every five minutes. */
  async compact(): Promise<void> {
    const { header } = (await this.#askEtcd('kv/range', { key: 'AA==' })) as {
      header: { revision: string };
    };
    await this.#askEtcd('kv/compaction', { revision: header.revision, physical: true });
  }

  /** Ends both processes for good and removes their data. */
  async stop(): Promise<void> {
    await this.#agent?.destroy();
    await this.#end('kube-apiserver');
    await this.#end('etcd');
    rmSync(this.#dir, { recursive: true });
  }

  /** Is for `startApiServer` alone. */
  async start(peerPort: number): Promise<void> {
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    writeFileSync(join(this.#dir, 'sa.key'), privateKey, { mode: 0o600 });
    const user = `${this.#token},admin,1,"system:masters"\n`;
    writeFileSync(join(this.#dir, 'tokens.csv'), user, { mode: 0o600 });
    const peer = `http://127.0.0.1:${peerPort}`;
    this.#spawn('etcd', 'etcd', [
      `--data-dir=${join(this.#dir, 'etcd')}`,
      '--unsafe-no-fsync',
      '--log-level=error',
      `--listen-client-urls=${this.#etcd}`,
      `--advertise-client-urls=${this.#etcd}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
    ]);
    await this.#startApiServer();
  }

  async #startApiServer(): Promise<void> {
    const key = join(this.#dir, 'sa.key');
    // It makes its own serving certificate; without controllers no namespace ever gets a ServiceAccount.
    this.#spawn('kube-apiserver', KUBE_APISERVER, [
      `--etcd-servers=${this.#etcd}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${this.#port}`,
      `--cert-dir=${join(this.#dir, 'certs')}`,
      `--token-auth-file=${join(this.#dir, 'tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--disable-admission-plugins=ServiceAccount',
      '--endpoint-reconciler-type=none',
      '--service-cluster-ip-range=10.96.0.0/16',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${key}`,
      `--service-account-signing-key-file=${key}`,
    ]);
    await eventually('the API server is ready', () => this.request('GET', '/readyz'), 30);
  }

  #spawn(name: 'etcd' | 'kube-apiserver', command: string, args: readonly string[]): void {
    const log = openSync(join(this.#dir, `${name}.log`), 'a');
    // The kernel ends it with this process, also when that is killed: a test run leaves nothing behind.
    const tied = ['--pdeathsig', 'KILL', command, ...args];
    this.#processes.set(name, spawn('setpriv', tied, { stdio: ['ignore', log, log] }));
  }

  async #end(name: 'etcd' | 'kube-apiserver'): Promise<void> {
    const process_ = this.#processes.get(name);
    this.#processes.delete(name);
    if (process_ === undefined || process_.exitCode !== null) return;
    const ended = once(process_, 'exit');
    process_.kill('SIGKILL');
    await ended;
  }

  async #askEtcd(call: string, body: object): Promise<unknown> {
    const url = `${this.#etcd}/v3/${call}`;
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}

interface Crd {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly name: string }[];
  };
}

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports = await Promise.all(
    servers.map(async (server) => {
      await once(server, 'listening');
      const address = server.address();
      return address !== null && typeof address === 'object' ? address.port : 0;
    }),
  );
  for (const server of servers) server.close();
  return ports;
}
