/** Storage against real servers: HTTP, and an S3-compatible one when the runner has it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { createLogger } from '../src/log.ts';
import { fetchModel } from '../src/storage/storage.ts';

const MODEL = fileURLToPath(new URL('../models/iris/model.onnx', import.meta.url));
const log = createLogger('error');

describe('storage', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'wherry-test-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const refusal = (uri: string, env: Record<string, string> = {}) =>
    fetchModel(uri, { dir, env, log }).then(
      (path) => `no error: ${path}`,
      (error: Error) => error.message,
    );

  it('finds local folders by path and by file://', async () => {
    const folder = fileURLToPath(new URL('../models/iris', import.meta.url));
    expect(await fetchModel(folder, { dir, env: {}, log })).to.equal(folder);
    expect(await fetchModel(`file://${folder}`, { dir, env: {}, log })).to.equal(folder);
  });

  it('says what is wrong with a URI', async () => {
    expect(await refusal('ftp://host/x')).to.equal(
      'storageUri "ftp://host/x": scheme "ftp" is not supported here, use one of builtin, file, http, https, s3',
    );
    expect(await refusal('no-scheme')).to.contain('scheme "" is not supported');
    expect(await refusal('builtin://nope')).to.match(
      /^storageUri "builtin:\/\/nope": .*models\/nope cannot be read: ENOENT/,
    );
    expect(await refusal('file:///etc/hostname')).to.contain('is not a folder');
  });

  it('never leaves the folder of the built-in models', async () => {
    expect(await refusal('builtin://iris/../../src')).to.match(/cannot be read: ENOENT/);
  });

  describe('http', () => {
    const answers: Record<string, (res: import('node:http').ServerResponse) => void> = {
      '/m/model.onnx': (res) => res.end(readFileSync(MODEL)),
      '/cut/model.onnx': (res) => {
        res.writeHead(200, { 'content-length': '1000' });
        res.write('x'.repeat(10));
        setTimeout(() => res.destroy(), 50);
      },
    };
    const server = createServer((req, res) => {
      const answer = answers[req.url ?? ''];
      if (answer === undefined) res.writeHead(404).end();
      else if (req.url === '/secret/model.onnx' && req.headers.authorization !== 'Bearer t')
        res.writeHead(401).end();
      else answer(res);
    });
    answers['/secret/model.onnx'] = answers['/m/model.onnx'] as never;
    let base: string;
    before(async () => {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(() => server.close());

    it('downloads a file under its name', async () => {
      await fetchModel(`${base}/m/model.onnx`, { dir, env: {}, log });
      expect(readFileSync(join(dir, 'model.onnx')).equals(readFileSync(MODEL))).to.equal(true);
    });

    it('sends the headers of {host}-headers, as KServe does', async () => {
      const host = new URL(base).host;
      expect(await refusal(`${base}/secret/model.onnx`)).to.contain('the server answered 401');
      const env = { [`${host}-headers`]: '{"Authorization": "Bearer t"}' };
      await fetchModel(`${base}/secret/model.onnx`, { dir, env, log });
      expect(existsSync(join(dir, 'model.onnx'))).to.equal(true);
    });

    it('tells a missing file, a cut transfer and a server that is away, and leaves no half file', async () => {
      expect(await refusal(`${base}/none`)).to.equal(
        `fetch ${base}/none: the server answered 404 Not Found`,
      );
      expect(await refusal(`${base}/cut/model.onnx`)).to.match(/^fetch .*\/cut\/model\.onnx: /);
      expect(await refusal('http://127.0.0.1:1/model.onnx')).to.match(/ECONNREFUSED|bad port/);
      expect(readdirSync(dir)).to.deep.equal([]);
    });
  });

  const gateway = process.env.WHERRY_VERSITYGW;
  (gateway === undefined ? describe.skip : describe)('s3', () => {
    let root: string;
    let process_: ChildProcess;
    const port = 17070;
    const env = {
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret',
      S3_ENDPOINT: `127.0.0.1:${port}`,
      S3_USE_HTTPS: '0',
    };
    const saved = { ...process.env };

    before(async () => {
      root = mkdtempSync(join(tmpdir(), 'wherry-test-'));
      mkdirSync(join(root, 'models/iris/1'), { recursive: true });
      cpSync(MODEL, join(root, 'models/iris/model.onnx'));
      writeFileSync(join(root, 'models/iris/1/labels.txt'), 'setosa\n');
      writeFileSync(join(root, 'models/iris-other'), 'not below the prefix');
      Object.assign(process.env, env);
      process_ = spawn(
        gateway as string,
        ['--port', `127.0.0.1:${port}`, '--access', 'key', '--secret', 'secret', 'posix', root],
        { stdio: 'ignore' },
      );
      for (let i = 0; i < 100; i++) {
        if (
          await fetch(`http://127.0.0.1:${port}`).then(
            () => true,
            () => false,
          )
        )
          return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
    after(() => {
      process_.kill();
      process.env = saved;
      rmSync(root, { recursive: true });
    });

    it('downloads everything below a prefix, and only that', async () => {
      await fetchModel('s3://models/iris', { dir, env, log });
      expect(readFileSync(join(dir, 'model.onnx')).equals(readFileSync(MODEL))).to.equal(true);
      expect(readFileSync(join(dir, '1/labels.txt'), 'utf8')).to.equal('setosa\n');
      expect(readdirSync(dir).sort()).to.deep.equal(['1', 'model.onnx']);
    });

    it('downloads one object by its key', async () => {
      await fetchModel('s3://models/iris/model.onnx', { dir, env, log });
      expect(readdirSync(dir)).to.deep.equal(['model.onnx']);
    });

    it('takes credentials and endpoint from a storage spec', async () => {
      const STORAGE_CONFIG = JSON.stringify({
        type: 's3',
        access_key_id: 'key',
        secret_access_key: 'secret',
        endpoint_url: `http://127.0.0.1:${port}`,
      });
      await fetchModel('s3://models/iris/', { dir, env: { STORAGE_CONFIG }, log });
      expect(existsSync(join(dir, 'model.onnx'))).to.equal(true);
    });

    it('tells wrong keys, a missing bucket and an empty prefix', async () => {
      const wrong = JSON.stringify({
        access_key_id: 'key',
        secret_access_key: 'no',
        endpoint_url: `http://127.0.0.1:${port}`,
      });
      expect(await refusal('s3://models/iris', { STORAGE_CONFIG: wrong })).to.match(/signature/i);
      expect(await refusal('s3://nope/iris', env)).to.match(/^fetch s3:\/\/nope\/iris: .*bucket/i);
      expect(await refusal('s3://models/none', env)).to.equal(
        'fetch s3://models/none: no object has this key or prefix',
      );
    });
  });
});
