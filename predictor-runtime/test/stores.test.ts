/** Stores against real servers, when the runner has them: what each lists and reads, and how it refuses. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createLogger } from '../src/platform/log.ts';
import { fetchModel, listed, withStore } from '../src/storage/storage.ts';
import { call, eventually, withServer } from './server.ts';

const MODEL = fileURLToPath(new URL('../models/iris/model.onnx', import.meta.url));
const log = createLogger('error');
/** Two whole parts and a piece. */
const BIG = randomBytes(33 << 20);

/** Keys with characters that URLs give a meaning to, and with what escapes of them look like. */
const ODD_KEYS = [
  'a#b',
  'a?b=c',
  '100%',
  'a%20b',
  'a b',
  'a+b',
  'ä&;:@[]',
  "it's $(x)",
  '~!*{}|^`"',
];

/** What every store is seeded with, below `models`. */
const FILES: Record<string, Buffer> = {
  'iris/model.onnx': readFileSync(MODEL),
  'iris/1/labels.txt': Buffer.from('setosa\n'),
  'iris-other': Buffer.from('not below the prefix'),
  'big/model.bin': BIG,
  ...Object.fromEntries(
    ODD_KEYS.map((key) => [`odd/${key}/model.onnx`, Buffer.from(`the model of ${key}`)]),
  ),
};

/** How long a program may take to start: from a cold disk, on a busy machine. */
const START_MS = 50_000;

type Env = Record<string, string>;

interface StoreUnderTest {
  readonly scheme: string;
  /** Starts the server and puts the files there. */
  start(root: string): Promise<void>;
  stop(): void;
  readonly env: Env;
  /** What it says of a prefix, a container or an object that is not there. */
  readonly nothing: RegExp;
}

const sha = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

function writeFiles(root: string): void {
  for (const [path, content] of Object.entries(FILES)) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

let child: ChildProcess | undefined;
const stop = () => {
  child?.kill('SIGKILL');
};

/** Starts the program that `variable` names, and waits until `url` answers; throws what it said if it ends before. */
async function startProgram(variable: string, args: string[], url: string): Promise<void> {
  const program = spawn(process.env[variable] as string, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child = program;
  let said = '';
  for (const stream of [program.stdout, program.stderr]) {
    stream.on('data', (text) => {
      said = `${said}${text}`.slice(-2000);
    });
  }
  const answers = () =>
    fetch(url).then(
      () => true,
      () => false,
    );
  const until = Date.now() + START_MS;
  while (!(await answers())) {
    const ended = program.exitCode ?? program.signalCode;
    if (ended !== null) throw new Error(`${variable} ended with ${ended}: ${said}`);
    if (Date.now() > until) throw new Error(`${url} does not answer; ${variable} said: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const S3_PORT = 17070;
const GCS_PORT = 17071;
const AZURE_PORT = 17072;
const OCI_PORT = 17073;
const AZURE_KEY =
  'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
const AZURE_CONNECTION = `DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=${AZURE_KEY};BlobEndpoint=http://127.0.0.1:${AZURE_PORT}/devstoreaccount1;`;

const STORES: Record<string, StoreUnderTest> = {
  WHERRY_VERSITYGW: {
    scheme: 's3',
    env: {
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
      S3_ENDPOINT: `127.0.0.1:${S3_PORT}`,
      S3_USE_HTTPS: '0',
      STORAGE_CONFIG: '{"access_key_id": "key", "secret_access_key": "secret"}',
    },
    nothing: /no object has this key or prefix/,
    async start(root) {
      writeFiles(join(root, 'models'));
      await startProgram(
        'WHERRY_VERSITYGW',
        ['--port', `127.0.0.1:${S3_PORT}`, '--access', 'key', '--secret', 'secret', 'posix', root],
        `http://127.0.0.1:${S3_PORT}`,
      );
    },
    stop,
  },
  WHERRY_FAKE_GCS: {
    scheme: 'gs',
    env: { STORAGE_EMULATOR_HOST: `http://127.0.0.1:${GCS_PORT}` },
    nothing: /no object has this key or prefix/,
    async start(root) {
      writeFiles(join(root, 'models'));
      await startProgram(
        'WHERRY_FAKE_GCS',
        [
          '-scheme',
          'http',
          '-host',
          '127.0.0.1',
          '-port',
          String(GCS_PORT),
          '-backend',
          'memory',
          '-data',
          root,
        ],
        `http://127.0.0.1:${GCS_PORT}/storage/v1/b`,
      );
    },
    stop,
  },
  WHERRY_AZURITE: {
    scheme: 'az',
    env: { AZURE_STORAGE_CONNECTION_STRING: AZURE_CONNECTION },
    nothing: /no object has this key or prefix/,
    async start(root) {
      await startProgram(
        'WHERRY_AZURITE',
        [
          '--silent',
          '--skipApiVersionCheck',
          '--location',
          root,
          '--blobHost',
          '127.0.0.1',
          '--blobPort',
          String(AZURE_PORT),
        ],
        `http://127.0.0.1:${AZURE_PORT}`,
      );
      const { BlobServiceClient } = await import('@azure/storage-blob');
      const container =
        BlobServiceClient.fromConnectionString(AZURE_CONNECTION).getContainerClient('models');
      await container.create();
      for (const [path, content] of Object.entries(FILES)) {
        await container.getBlockBlobClient(path).upload(content, content.length);
      }
    },
    stop,
  },
};

for (const [variable, store] of Object.entries(STORES)) {
  (process.env[variable] === undefined ? describe.skip : describe)(`${store.scheme}://`, () => {
    let root: string;
    let dir: string;
    before(async function () {
      this.timeout(60_000);
      root = mkdtempSync(join(tmpdir(), 'wherry-test-'));
      await store.start(root);
    });
    after(() => {
      store.stop();
      rmSync(root, { recursive: true, force: true });
    });
    beforeEach(() => {
      dir = mkdtempSync(join(tmpdir(), 'wherry-test-'));
    });
    afterEach(() => rmSync(dir, { recursive: true }));

    const uri = (path: string) => `${store.scheme}://models/${path}`;
    const refusal = (path: string, env: Env = store.env) =>
      fetchModel(uri(path), { dir, env, log }).then(
        (found) => `no error: ${found}`,
        (error: Error) => error.message,
      );

    it('downloads everything below a prefix, and only that', async () => {
      for (const path of ['iris', 'iris/']) {
        await fetchModel(uri(path), { dir, env: store.env, log });
        expect(readFileSync(join(dir, 'model.onnx')).equals(readFileSync(MODEL))).to.equal(true);
        expect(readFileSync(join(dir, '1/labels.txt'), 'utf8')).to.equal('setosa\n');
        expect(readdirSync(dir).sort()).to.deep.equal(['1', 'model.onnx']);
      }
    });

    it('downloads one object by its key', async () => {
      await fetchModel(uri('iris/model.onnx'), { dir, env: store.env, log });
      expect(readdirSync(dir)).to.deep.equal(['model.onnx']);
    });

    it('takes keys as they are written, whatever is in them', async () => {
      for (const key of ODD_KEYS) {
        const content = `the model of ${key}`;
        for (const path of [`odd/${key}`, `odd/${key}/model.onnx`]) {
          const target = mkdtempSync(join(dir, 'odd-'));
          await fetchModel(uri(path), { dir: target, env: store.env, log });
          expect(readdirSync(target), path).to.deep.equal(['model.onnx']);
          expect(readFileSync(join(target, 'model.onnx'), 'utf8')).to.equal(content);
        }
      }
    });

    it('leaves out what the patterns do', async () => {
      const env = { ...store.env, STORAGE_IGNORE_PATTERNS: '*.onnx' };
      await fetchModel(uri('iris'), { dir, env, log });
      expect(readdirSync(dir)).to.deep.equal(['1']);
    });

    it('fetches a large object in parts', async () => {
      await fetchModel(uri('big'), { dir, env: store.env, log });
      expect(readdirSync(dir)).to.deep.equal(['model.bin']);
      expect(sha(readFileSync(join(dir, 'model.bin')))).to.equal(sha(BIG));
    });

    it('refuses an object that has changed since it was listed', async () => {
      const failure = await withStore(uri('big'), store.env, async (opened) => {
        const [file] = await listed(opened, {});
        if (file === undefined) throw new Error('no file');
        const other = store.scheme === 'gs' ? '1' : '"0123456789abcdef0123456789abcdef"';
        return opened.read({ ...file, tag: other }, { start: 0, end: 10 });
      }).then(
        () => 'read',
        (error: Error) => error.message,
      );
      expect(failure).not.to.equal('read');
    });

    it('tells an empty prefix and a bucket that is not there', async () => {
      expect(await refusal('none')).to.match(store.nothing);
      const missing = await fetchModel(`${store.scheme}://nowhere-at-all/x`, {
        dir,
        env: store.env,
        log,
      }).catch((error) => error.message);
      expect(missing).to.match(/^fetch .*nowhere-at-all\/x: /);
      expect(readdirSync(dir)).to.deep.equal([]);
    });

    if (store.scheme === 's3') {
      it('is polled for new versions, each of which comes whole', async () => {
        const versions = fileURLToPath(new URL('models/versions', import.meta.url));
        const put = (version: number) =>
          cpSync(`${versions}/${version}`, join(root, `models/live/${version}`), {
            recursive: true,
          });
        put(1);
        const config = {
          modelName: 'v',
          modelDir: dir,
          storageUri: uri('live'),
          modelControlMode: 'poll',
          repositoryPollSecs: 0.1,
        } as const;
        await withServer(
          config,
          async (url) => {
            const x = { inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: [1, 2] }] };
            const answering = async () =>
              (await call(`${url}/v2/models/v/infer`, x)).json.model_version;
            expect(await answering()).to.equal('1');
            put(2);
            await eventually(async () => (await answering()) === '2');
            await eventually(
              async () => (await call(`${url}/v2/models/v`)).json.versions.join() === '2',
            );
            rmSync(join(root, 'models/live/2'), { recursive: true });
            await eventually(async () => (await answering()) === '1');
          },
          store.env,
        );
      });

      it('takes credentials and endpoint from a storage spec, and tells wrong ones', async () => {
        const spec = {
          type: 's3',
          access_key_id: 'key',
          secret_access_key: 'secret',
          endpoint_url: `http://127.0.0.1:${S3_PORT}`,
        };
        await fetchModel(uri('iris'), { dir, env: { STORAGE_CONFIG: JSON.stringify(spec) }, log });
        expect(existsSync(join(dir, 'model.onnx'))).to.equal(true);
        const wrong = JSON.stringify({ ...spec, secret_access_key: 'no' });
        expect(await refusal('iris', { STORAGE_CONFIG: wrong })).to.match(/signature/i);
      });

      it('takes the bucket of a URI that names none from a storage spec, which the service may override', async () => {
        const env = {
          STORAGE_CONFIG: JSON.stringify({
            access_key_id: 'key',
            secret_access_key: 'secret',
            endpoint_url: `http://127.0.0.1:${S3_PORT}`,
            bucket: 'none',
          }),
          STORAGE_OVERRIDE_CONFIG: '{"bucket": "models"}',
        };
        await fetchModel('s3:///iris', { dir, env, log });
        expect(existsSync(join(dir, 'model.onnx'))).to.equal(true);
      });
    }
  });
}

(process.env.WHERRY_CRANE === undefined ? describe.skip : describe)('oci://', () => {
  let root: string;
  let dir: string;
  const registry = `127.0.0.1:${OCI_PORT}`;
  const crane = (...args: string[]) =>
    execFileSync(process.env.WHERRY_CRANE as string, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: root,
    }).toString();

  before(async function () {
    this.timeout(60_000);
    root = mkdtempSync(join(tmpdir(), 'wherry-test-'));
    await startProgram(
      'WHERRY_CRANE',
      ['registry', 'serve', '--address', registry],
      `http://${registry}/v2/`,
    );
    mkdirSync(join(root, 'image/models/1'), { recursive: true });
    mkdirSync(join(root, 'image/etc'));
    writeFileSync(join(root, 'image/etc/passwd'), 'not the model');
    cpSync(MODEL, join(root, 'image/models/model.onnx'));
    execFileSync('tar', ['-C', join(root, 'image'), '-czf', join(root, 'base.tar.gz'), '.']);
    mkdirSync(join(root, 'over/models/1'), { recursive: true });
    writeFileSync(join(root, 'over/models/1/labels.txt'), 'setosa\n');
    execFileSync('tar', ['-C', join(root, 'over'), '-cf', join(root, 'over.tar'), '.']);
    crane(
      'append',
      '--oci-empty-base',
      '-f',
      'base.tar.gz',
      '-f',
      'over.tar',
      '-t',
      `${registry}/models/iris:v1`,
    );
  });
  after(() => {
    stop();
    rmSync(root, { recursive: true, force: true });
  });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'wherry-test-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('takes /models out of the layers of an image, by tag and by digest', async () => {
    const digest = crane('digest', `${registry}/models/iris:v1`).trim();
    for (const reference of [':v1', `@${digest}`]) {
      await fetchModel(`oci://${registry}/models/iris${reference}`, { dir, env: {}, log });
      expect(readdirSync(dir).sort()).to.deep.equal(['1', 'model.onnx']);
      expect(readFileSync(join(dir, '1/labels.txt'), 'utf8')).to.equal('setosa\n');
    }
  });

  it('tells a tag and a repository that are not there, and a reference that is none', async () => {
    const refusal = (uri: string) =>
      fetchModel(uri, { dir, env: {}, log }).catch((error) => error.message);
    expect(await refusal(`oci://${registry}/models/iris:v2`)).to.match(/: the server answered 404/);
    expect(await refusal(`oci://${registry}/nothing`)).to.match(/: the server answered 404/);
    expect(await refusal(`oci://${registry}/`)).to.contain('expected oci://REGISTRY/REPOSITORY');
  });
});

describe('hf://', () => {
  // No hub can be run here: this server speaks the three calls of its API that the store makes.
  let hub: Server;
  let dir: string;
  const COMMIT = 'c'.repeat(40);
  const tree = [
    { type: 'directory', path: 'onnx', size: 0, oid: 'd' },
    { type: 'file', path: 'README.md', size: 3, oid: 'r' },
    {
      type: 'file',
      path: 'onnx/model.onnx',
      size: 0,
      oid: 'p',
      lfs: { oid: sha(readFileSync(MODEL)), size: statSync(MODEL).size },
    },
  ];
  before(async () => {
    hub = createServer((req, res) => {
      const url = new URL(req.url ?? '', 'http://hub');
      if (req.headers.authorization !== 'Bearer hf_token') return res.writeHead(401).end();
      if (url.pathname === '/api/models/me/iris/revision/v1')
        return res.end(JSON.stringify({ sha: COMMIT }));
      const page = url.searchParams.get('page');
      if (url.pathname === `/api/models/me/iris/tree/${COMMIT}/`) {
        if (page === null) res.setHeader('link', `<${url.pathname}?page=2>; rel="next"`);
        return res.end(JSON.stringify(page === null ? tree.slice(0, 2) : tree.slice(2)));
      }
      if (url.pathname === `/api/models/me/iris/tree/${COMMIT}/onnx`)
        return res.end(JSON.stringify(tree.slice(2)));
      if (url.pathname === `/api/models/me/iris/tree/${COMMIT}/odd%20%231%25%3F`)
        return res.end(JSON.stringify([{ ...tree[2], path: 'odd #1%?/model.onnx' }]));
      if (url.pathname === `/me/iris/resolve/${COMMIT}/odd%20%231%25%3F/model.onnx`)
        return res.writeHead(206).end(readFileSync(MODEL));
      if (url.pathname === `/me/iris/resolve/${COMMIT}/README.md`)
        return res.writeHead(206).end('hey');
      if (url.pathname === `/me/iris/resolve/${COMMIT}/onnx/model.onnx`)
        return res.writeHead(302, { location: '/cdn' }).end();
      if (url.pathname === '/cdn') return res.writeHead(206).end(readFileSync(MODEL));
      return res.writeHead(404).end();
    });
    await new Promise<void>((resolve) => hub.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    hub.close();
    hub.closeAllConnections();
  });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'wherry-test-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const env = (token = 'hf_token') => ({
    HF_ENDPOINT: `http://127.0.0.1:${(hub.address() as AddressInfo).port}`,
    HF_TOKEN: token,
  });

  it('downloads a revision, or a folder of it, at one commit', async () => {
    await fetchModel('hf://me/iris:v1', { dir, env: env(), log });
    expect(readdirSync(dir).sort()).to.deep.equal(['README.md', 'onnx']);
    rmSync(join(dir, 'onnx'), { recursive: true });
    await fetchModel('hf://me/iris:v1/onnx', { dir, env: env(), log });
    expect(readFileSync(join(dir, 'model.onnx')).equals(readFileSync(MODEL))).to.equal(true);
  });

  it('takes a path as it is written, whatever is in it', async () => {
    await fetchModel('hf://me/iris:v1/odd #1%?/', { dir, env: env(), log });
    expect(readdirSync(dir)).to.deep.equal(['model.onnx']);
  });

  it('tells a refusal and a name that is none', async () => {
    const refusal = (uri: string, token?: string) =>
      fetchModel(uri, { dir, env: env(token), log }).catch((error) => error.message);
    expect(await refusal('hf://me/iris:v1', 'wrong')).to.equal(
      'fetch hf://me/iris:v1: the server answered 401 Unauthorized',
    );
    expect(await refusal('hf://me/other')).to.match(/404 Not Found$/);
    expect(await refusal('hf://me')).to.contain('expected hf://OWNER/MODEL');
  });
});
