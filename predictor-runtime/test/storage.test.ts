/** Fetching models: URIs, HTTP with and without ranges, interruptions, hostile archives, and bounded memory. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { filesBelow } from '../src/platform/files-below.ts';
import { createLogger } from '../src/platform/log.ts';
import { parseConfig } from '../src/server/config.ts';
import { startServer } from '../src/server/server.ts';
import { unpack } from '../src/storage/archive.ts';
import { Mirror } from '../src/storage/mirror.ts';
import { fetchModel, isBelow } from '../src/storage/storage.ts';
import { keptLog } from './kept-log.ts';
import { call, eventually, withServer } from './server.ts';

const MODEL = fileURLToPath(new URL('../models/iris/model.onnx', import.meta.url));
const INITIALIZER = fileURLToPath(new URL('../src/storage-initializer.ts', import.meta.url));
const log = createLogger('error');
const MIB = 1 << 20;

/** Any byte of a file of any size, from its place in it. */
function pattern(start: number, end: number): Buffer {
  const bytes = Buffer.allocUnsafe(end - start);
  for (let i = 0; i < bytes.length; i++) bytes[i] = ((start + i) * 31) & 255;
  return bytes;
}

type Handler = (req: IncomingMessage, res: ServerResponse) => void;

/** A server of files with ranges and a tag. `onRange` may answer in its place. */
function ranged(size: number, onRange?: (start: number, res: ServerResponse) => boolean): Handler {
  return (req, res) => {
    res.setHeader('accept-ranges', 'bytes');
    res.setHeader('etag', '"one"');
    const [, from = '0', to] = /bytes=(\d+)-(\d+)/.exec(req.headers.range ?? '') ?? [];
    const [start, end] = [Number(from), to === undefined ? size : Number(to) + 1];
    res.setHeader('content-length', end - start);
    if (req.method === 'HEAD') {
      res.end();
      return;
    }
    if (onRange?.(start, res)) return;
    res.writeHead(to === undefined ? 200 : 206);
    let at = start;
    const more = () => {
      while (at < end) {
        const next = Math.min(at + 256 * 1024, end);
        const isRoom = res.write(pattern(at, next));
        at = next;
        if (!isRoom) {
          res.once('drain', more);
          return;
        }
      }
      res.end();
    };
    more();
  };
}

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

  it('takes a path on this machine as it is written, and its escapes where nothing is called so', async () => {
    for (const name of ['a#b?c', '100%', 'a%20b', 'a b', 'ä\\n']) {
      mkdirSync(join(dir, name));
      expect(await fetchModel(`file://${dir}/${name}`, { dir, env: {}, log })).to.equal(
        join(dir, name),
      );
    }
    const escaped = pathToFileURL(join(dir, 'a#b?c')).href;
    expect(await fetchModel(escaped, { dir, env: {}, log })).to.equal(join(dir, 'a#b?c'));
    expect(await refusal(`file://${dir}/a#c`)).to.contain(`${dir}/a#c cannot be read: ENOENT`);
  });

  it('says what is wrong with a URI', async () => {
    expect(await refusal('ftp://host/x')).to.equal(
      'storageUri "ftp://host/x": scheme "ftp" is not supported here, use one of builtin, file, http, https, s3, gs, az, hf, oci',
    );
    expect(await refusal('no-scheme')).to.contain('scheme "" is not supported');
    expect(await refusal('constructor://x')).to.contain('scheme "constructor" is not supported');
    expect(await refusal('builtin://nope')).to.match(
      /^storageUri "builtin:\/\/nope": .*models\/nope cannot be read: ENOENT/,
    );
    expect(await refusal('az://c/x')).to.contain('needs AZURE_STORAGE_ACCOUNT');
  });

  it('fetches only from where it is allowed to', async () => {
    const env = { STORAGE_ALLOWED_URIS: 's3://models/, https://models.example.org/' };
    expect(await refusal('https://elsewhere.example.org/x', env)).to.equal(
      `storageUri "https://elsewhere.example.org/x" begins with none of STORAGE_ALLOWED_URIS: ${env.STORAGE_ALLOWED_URIS}`,
    );
    for (const rest of [
      'a/../../b',
      '%2E./b',
      '..\\b',
      'a\\..\\..\\b',
      '.\t./b',
      '..?b',
      '..#b',
      '..',
    ]) {
      expect(
        isBelow(`https://models.example.org/${rest}`, ['https://models.example.org/']),
        rest,
      ).to.equal(false);
    }
    for (const rest of ['a..b', '...', 'a/.b', 'a?b=..c', '']) {
      expect(isBelow(`s3://models/${rest}`, ['s3://models/']), rest).to.equal(true);
    }
  });

  it('never leaves the folder of the built-in models', async () => {
    expect(await refusal('builtin://iris/../../src')).to.match(/cannot be read: ENOENT/);
  });

  describe('one file on this machine', () => {
    const row = {
      inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.8, 2.8, 4.8, 1.4] }],
    };
    const label = async (url: string) =>
      (await call(`${url}/v2/models/iris/infer`, row)).json.outputs[0].data[0];
    let file: string;
    beforeEach(() => {
      mkdirSync(join(dir, 'many'));
      file = join(dir, 'many/iris.onnx');
      writeFileSync(file, readFileSync(MODEL));
      // What lies beside it is not the model's: another model, settings, and code.
      writeFileSync(join(dir, 'many/model.onnx'), 'another');
      writeFileSync(join(dir, 'many/config.pbtxt'), 'nonsense');
      writeFileSync(join(dir, 'many/plugin.mjs'), 'throw new Error("code of somebody")');
    });

    it('is a model, by its URI or its path', async () => {
      for (const source of [
        { storageUri: `file://${file}` },
        { storageUri: file },
        { modelDir: file },
      ]) {
        await withServer({ modelName: 'iris', modelDir: '/nowhere', ...source }, async (url) => {
          expect(await label(url)).to.equal(1);
        });
      }
    });

    it('is looked at again when it is polled', async () => {
      const { log, lines } = keptLog();
      const config = {
        modelName: 'iris',
        modelDir: '/nowhere',
        storageUri: `file://${file}`,
        modelControlMode: 'poll',
        repositoryPollSecs: 0.05,
      } as const;
      await withServer(
        config,
        async (url) => {
          writeFileSync(file, 'nonsense');
          await eventually(async () => lines.some(({ message }) => message === 'model not loaded'));
          expect(await label(url)).to.equal(1);
        },
        {},
        log,
      );
    });

    it('may be an archive, and is refused when it is no model', async () => {
      execFileSync('tar', ['-C', dir, '-czf', join(dir, 'a.tgz'), 'many/iris.onnx']);
      const out = join(dir, 'out');
      mkdirSync(out);
      await withServer(
        { modelName: 'iris', modelDir: out, storageUri: `file://${dir}/a.tgz` },
        async (url) => {
          expect(await label(url)).to.equal(1);
        },
      );
      writeFileSync(join(dir, 'notes.md'), 'no model');
      const failure = await withServer(
        { modelName: 'iris', storageUri: `file://${dir}/notes.md` },
        async () => undefined,
      ).catch((error: Error) => error.message);
      expect(failure).to.match(/notes\.md is no model file \(\.onnx .*\.pkl\)$/);
    });

    it('is copied by the storage-initializer', () => {
      const out = join(dir, 'out');
      execFileSync(process.execPath, [INITIALIZER, `file://${file}`, out], { stdio: 'ignore' });
      expect(readdirSync(out)).to.deep.equal(['iris.onnx']);
    });
  });

  it('passes over what file systems keep at the root of a volume', async () => {
    writeFileSync(join(dir, 'model.onnx'), readFileSync(MODEL));
    mkdirSync(join(dir, 'lost+found'), { mode: 0o000 });
    chmodSync(dir, 0o755);
    // Root may read everything: then a look with another user's eyes tells.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65534);
    try {
      expect(await filesBelow(dir)).to.deep.equal([join(dir, 'model.onnx')]);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
    await withServer({ modelName: 'iris', modelDir: dir }, async (url) => {
      expect((await call(`${url}/v2/models/iris/ready`)).status).to.equal(200);
    });
    const out = mkdtempSync(join(tmpdir(), 'wherry-test-'));
    try {
      execFileSync(process.execPath, [INITIALIZER, `file://${dir}`, out], { stdio: 'ignore' });
      expect(readdirSync(out)).to.deep.equal(['model.onnx']);
    } finally {
      rmSync(out, { recursive: true });
    }
  });

  describe('http', () => {
    const answers: Record<string, Handler> = {
      '/m/model.onnx': (_req, res) => res.end(readFileSync(MODEL)),
      '/cut/model.onnx': (_req, res) => {
        res.writeHead(200, { 'content-length': '1000' });
        res.write('x'.repeat(10));
        setTimeout(() => res.destroy(), 10);
      },
      '/to-metadata': (_req, res) =>
        res.writeHead(302, { location: 'http://169.254.169.254/latest' }).end(),
      '/to-metadata-6': (_req, res) =>
        res.writeHead(302, { location: 'http://[fe80::1]/latest' }).end(),
      '/to-file': (_req, res) => res.writeHead(302, { location: 'file:///etc/passwd' }).end(),
      '/round': (_req, res) => res.writeHead(302, { location: '/round' }).end(),
      '/moved/model.onnx': (_req, res) => res.writeHead(307, { location: '/m/model.onnx' }).end(),
    };
    const server = createServer((req, res) => {
      const answer = answers[req.url ?? ''];
      if (answer === undefined) res.writeHead(404).end();
      else if (req.url === '/secret/model.onnx' && req.headers.authorization !== 'Bearer t')
        res.writeHead(401).end();
      else answer(req, res);
    });
    answers['/secret/model.onnx'] = answers['/m/model.onnx'] as Handler;
    let base: string;
    before(async () => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });
    after(() => {
      server.close();
      server.closeAllConnections();
    });

    it('downloads a file under its name, also where it has moved to', async () => {
      for (const path of ['/m/model.onnx', '/moved/model.onnx']) {
        await fetchModel(base + path, { dir, env: {}, log });
        expect(readFileSync(join(dir, 'model.onnx')).equals(readFileSync(MODEL))).to.equal(true);
      }
    });

    it('sends the headers of {host}-headers, as KServe does', async () => {
      const host = new URL(base).host;
      expect(await refusal(`${base}/secret/model.onnx`)).to.contain('the server answered 401');
      const env = { [`${host}-headers`]: '{"Authorization": "Bearer t"}' };
      await fetchModel(`${base}/secret/model.onnx`, { dir, env, log });
      expect(existsSync(join(dir, 'model.onnx'))).to.equal(true);
      expect(await refusal(`${base}/m/model.onnx`, { [`${host}-headers`]: '{' })).to.contain(
        `${host}-headers is not JSON`,
      );
    });

    it('keeps the escapes and the query of a URL, and takes a presigned one that is for GET alone', async () => {
      answers['/100%25/a%20%23b.onnx?sig=a%2Fb'] = (req, res) => {
        if (req.method === 'HEAD') res.writeHead(403).end();
        else res.end(readFileSync(MODEL));
      };
      answers['/50%.onnx'] = answers['/m/model.onnx'] as Handler;
      await fetchModel(`${base}/100%25/a%20%23b.onnx?sig=a%2Fb`, { dir, env: {}, log });
      await fetchModel(`${base}/50%.onnx`, { dir, env: {}, log });
      expect(readdirSync(dir).sort()).to.deep.equal(['50%.onnx', 'a #b.onnx']);
    });

    it('tells a missing file, a cut transfer and a server that is away, and leaves no half file', async () => {
      expect(await refusal(`${base}/none`)).to.equal(
        `fetch ${base}/none: the server answered 404 Not Found`,
      );
      expect(await refusal(`${base}/cut/model.onnx`)).to.match(/^fetch .*\/cut\/model\.onnx: /);
      expect(await refusal('http://127.0.0.1:1/model.onnx')).to.match(/ECONNREFUSED/);
      expect(readdirSync(dir).filter((name) => !name.endsWith('.partial'))).to.deep.equal([]);
    }).timeout(60_000);

    it('does not follow redirects to link-local addresses, to files or in circles', async () => {
      for (const [path, message] of [
        [
          '/to-metadata',
          'redirect to the link-local address 169.254.169.254 is not followed: set STORAGE_ALLOW_LINK_LOCAL=1 if it is meant',
        ],
        [
          '/to-metadata-6',
          'redirect to the link-local address [fe80::1] is not followed: set STORAGE_ALLOW_LINK_LOCAL=1 if it is meant',
        ],
        ['/to-file', 'redirect to file: is not followed'],
        ['/round', 'more than 5 redirects'],
      ] as const) {
        expect(await refusal(base + path)).to.equal(`fetch ${base}${path}: ${message}`);
      }
    });

    it('goes on after a failure, part by part, and after an interruption where it was', async () => {
      const size = 40 * MIB;
      const asked: number[] = [];
      let failures = 2;
      let isDown = false;
      answers['/parts/model.bin'] = ranged(size, (start, res) => {
        asked.push(start);
        if (isDown && start >= 16 * MIB) {
          res.writeHead(403).end();
          return true;
        }
        if (failures-- > 0) {
          res.destroy();
          return true;
        }
        return false;
      });
      await fetchModel(`${base}/parts/model.bin`, { dir, env: {}, log });
      const whole = createHash('sha256').update(pattern(0, size)).digest('hex');
      const digest = () =>
        createHash('sha256')
          .update(readFileSync(join(dir, 'model.bin')))
          .digest('hex');
      expect(digest()).to.equal(whole);
      expect(asked.length).to.be.above(3);

      rmSync(join(dir, 'model.bin'));
      isDown = true;
      const env = { S3_MAX_FILE_CONCURRENCY: '1' };
      expect(await refusal(`${base}/parts/model.bin`, env)).to.contain('the server answered 403');
      expect(readdirSync(dir).sort()).to.deep.equal([
        'model.bin.partial',
        'model.bin.partial.json',
      ]);
      isDown = false;
      asked.length = 0;
      await fetchModel(`${base}/parts/model.bin`, { dir, env, log });
      expect(asked, 'the first part is there').to.deep.equal([16 * MIB, 32 * MIB]);
      expect(digest()).to.equal(whole);
      expect(readdirSync(dir)).to.deep.equal(['model.bin']);
    });

    it('fetches 2 GiB within 200 MiB of memory', async function () {
      this.timeout(120_000);
      const size = 2048 * MIB;
      const script = `
        import { createServer } from 'node:http';
        const block = Buffer.alloc(1 << 20, 7);
        createServer((req, res) => {
          const [, from = '0', to = '${size - 1}'] = /bytes=(\\d+)-(\\d+)/.exec(req.headers.range ?? '') ?? [];
          let left = Number(to) + 1 - Number(from);
          res.writeHead(req.headers.range ? 206 : 200, { 'content-length': left, 'accept-ranges': 'bytes', etag: '"x"' });
          if (req.method === 'HEAD') return res.end();
          const more = () => {
            while (left > 0) {
              const part = block.subarray(0, Math.min(left, block.length));
              left -= part.length;
              if (!res.write(part)) return res.once('drain', more);
            }
            res.end();
          };
          more();
        }).listen(0, '127.0.0.1', function () { console.log(this.address().port); });`;
      const origin = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      try {
        const port = Number(await new Promise((resolve) => origin.stdout.once('data', resolve)));
        const measure = `
          process.argv = ['node', 'storage-initializer', 'http://127.0.0.1:${port}/model.bin', ${JSON.stringify(dir)}];
          await import(${JSON.stringify(INITIALIZER)});
          // resourceUsage() would tell the peak of the process that started this one, too.
          const { readFileSync } = await import('node:fs');
          console.log('peak ' + /VmHWM:\\s+(\\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))[1] * 1024);`;
        const child = spawn(process.execPath, ['--input-type=module', '-e', measure], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const output = (await child.stdout.toArray()).join('');
        expect(statSync(join(dir, 'model.bin')).size).to.equal(size);
        const peak = Number(/peak (\d+)/.exec(output)?.[1]);
        expect(peak).to.be.within(1, 200 * MIB);
      } finally {
        origin.kill();
      }
    });

    it('unpacks a model that is one archive', async () => {
      mkdirSync(join(dir, 'in/1'), { recursive: true });
      writeFileSync(join(dir, 'in/1/model.onnx'), readFileSync(MODEL));
      const tar = execFileSync('tar', ['-C', join(dir, 'in'), '-cz', '.']);
      answers['/model.tar.gz'] = (_req, res) => res.end(tar);
      execFileSync('python3', [
        '-c',
        `import zipfile; z = zipfile.ZipFile('${dir}/m.zip', 'w', zipfile.ZIP_DEFLATED); z.write('${dir}/in/1/model.onnx', '1/model.onnx')`,
      ]);
      const zip = readFileSync(join(dir, 'm.zip'));
      answers['/model.zip'] = (_req, res) => res.end(zip);
      for (const name of ['model.tar.gz', 'model.zip']) {
        const target = join(dir, `out-${name}`);
        mkdirSync(target);
        await fetchModel(`${base}/${name}`, { dir: target, env: {}, log });
        expect(readdirSync(target)).to.deep.equal(['1']);
        expect(readFileSync(join(target, '1/model.onnx')).equals(readFileSync(MODEL))).to.equal(
          true,
        );
      }
    });

    it('leaves out the folder around everything in an archive', async () => {
      const model = readFileSync(MODEL);
      for (const [made, found] of [
        [
          ['iris/model.onnx', 'iris/labels.txt'],
          ['labels.txt', 'model.onnx'],
        ],
        [['a/b/model.onnx'], ['model.onnx']],
        [['iris/1/model.onnx'], ['1']],
        [
          ['iris/1/model.onnx', 'iris/config.pbtxt'],
          ['1', 'config.pbtxt'],
        ],
        [['1/model.onnx'], ['1']],
        // The model is refused then, and not served as version 1.
        [['9007199254740993/model.onnx'], ['9007199254740993']],
        [['iris/model.onnx', '__MACOSX/iris/._model.onnx', '.DS_Store'], ['model.onnx']],
        [
          ['model.onnx', 'warmup/a.json'],
          ['model.onnx', 'warmup'],
        ],
      ] as const) {
        const root = mkdtempSync(join(dir, 'in-'));
        for (const path of made) {
          mkdirSync(join(root, path, '..'), { recursive: true });
          writeFileSync(join(root, path), model);
        }
        const tar = execFileSync('tar', ['-C', root, '-cz', ...readdirSync(root)]);
        answers['/folder.tgz'] = (_req, res) => res.end(tar);
        const target = mkdtempSync(join(dir, 'out-'));
        await fetchModel(`${base}/folder.tgz`, { dir: target, env: {}, log });
        expect(readdirSync(target).sort(), made.join()).to.deep.equal(found);
      }
    });

    it('is fetched once, however often the server is asked for its models meanwhile', async () => {
      const content = readFileSync(MODEL);
      const asked: string[] = [];
      const waiting = Promise.withResolvers<void>();
      answers['/slow/model.onnx'] = async (req, res) => {
        asked.push(req.method ?? '');
        res.setHeader('content-length', content.length);
        if (req.method === 'GET') await waiting.promise;
        res.end(content);
      };
      const flags = ['--model_name=iris', '--http_port=0', '--host=127.0.0.1', '--threads=1'];
      const config = {
        ...parseConfig(flags),
        modelDir: dir,
        storageUri: `${base}/slow/model.onnx`,
      };
      const server = await startServer({ config, env: {}, log });
      const index = async () =>
        (await call(`http://127.0.0.1:${server.httpPort}/v2/repository/index`, {})).json;
      try {
        await eventually(async () => asked.includes('GET'));
        for (let i = 0; i < 3; i++) {
          expect(await index()).to.deep.equal([
            { name: 'iris', version: '1', state: 'LOADING', reason: '' },
          ]);
        }
        waiting.resolve();
        await server.loaded;
        expect((await index())[0].state).to.equal('READY');
        expect(asked.filter((method) => method === 'GET')).to.have.length(1);
      } finally {
        waiting.resolve();
        await server.drain();
      }
    });

    it('is mirrored by one flight at a time', async () => {
      const content = readFileSync(MODEL);
      let gets = 0;
      answers['/twice/model.onnx'] = (req, res) => {
        if (req.method === 'GET') gets++;
        res.setHeader('content-length', content.length);
        res.end(content);
      };
      const mirror = new Mirror(`${base}/twice/model.onnx`, { dir, env: {}, log });
      expect(mirror.folder).to.equal(undefined);
      const folders = await Promise.all([mirror.sync(), mirror.sync()]);
      expect(new Set([...folders, mirror.folder]).size).to.equal(1);
      expect(gets).to.equal(1);
    });

    it('is polled for new versions', async () => {
      // Of a file over HTTP, the tag and the content are what can be new.
      let content = readFileSync(MODEL);
      const forest = readFileSync(
        fileURLToPath(new URL('../models/iris-forest/model.onnx', import.meta.url)),
      );
      answers['/live/model.onnx'] = (_req, res) => {
        res.setHeader('etag', `"${content.length}"`);
        res.setHeader('content-length', content.length);
        res.end(content);
      };
      const config = {
        modelName: 'iris',
        modelDir: dir,
        storageUri: `${base}/live/model.onnx`,
        modelControlMode: 'poll',
        repositoryPollSecs: 0.05,
      } as const;
      const { log, lines } = keptLog();
      await withServer(
        config,
        async (url) => {
          const x = {
            inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.8, 2.8, 4.8, 1.4] }],
          };
          const ask = async () =>
            (await call(`${url}/v2/models/iris/infer`, x)).json.outputs[1].data[1];
          const before = await ask();
          content = forest;
          await eventually(async () => (await ask()) !== before);
          content = Buffer.from('nonsense');
          await eventually(async () => lines.some(({ message }) => message === 'model not loaded'));
          expect(await ask()).not.to.equal(undefined);
        },
        {},
        log,
      );
    });
  });

  describe('hostile archives', () => {
    const members = (script: string) => `
import tarfile, io, sys, zipfile
t = tarfile.open(sys.argv[1], 'w')
def file(name, data=b'x', **kw):
    i = tarfile.TarInfo(name); i.size = len(data)
    for k, v in kw.items(): setattr(i, k, v)
    t.addfile(i, io.BytesIO(data))
${script}
t.close()`;
    for (const [title, script, message] of [
      ['a path upwards', "file('../evil')", '"../evil" leads out of the model folder'],
      [
        'an absolute path to elsewhere',
        "file('a/../../evil')",
        '"a/../../evil" leads out of the model folder',
      ],
      [
        'a symbolic link',
        "file('link', b'', type=tarfile.SYMTYPE, linkname='/etc')",
        "the archive's link is a SymbolicLink: only files and folders are unpacked",
      ],
      [
        'a hard link',
        "file('link', b'', type=tarfile.LNKTYPE, linkname='/etc/passwd')",
        "the archive's link is a Link: only files and folders are unpacked",
      ],
      [
        'a device',
        "file('dev', b'', type=tarfile.CHRTYPE)",
        "the archive's dev is a CharacterDevice: only files and folders are unpacked",
      ],
      [
        'a pipe',
        "file('fifo', b'', type=tarfile.FIFOTYPE)",
        "the archive's fifo is a FIFO: only files and folders are unpacked",
      ],
    ] as const) {
      it(`with ${title} are refused`, async () => {
        const archive = join(dir, 'a.tar');
        execFileSync('python3', ['-c', members(script), archive]);
        const target = join(dir, 'out');
        mkdirSync(target);
        const failure = await unpack(archive, { dir: target }).then(
          () => 'unpacked',
          (error: Error) => error.message,
        );
        expect(failure).to.equal(message);
        expect(existsSync(join(dir, 'evil'))).to.equal(false);
        expect(readdirSync(target)).to.deep.equal([]);
      });
    }

    it('do not write through a link that is there', async () => {
      const archive = join(dir, 'a.tar');
      execFileSync('python3', ['-c', members("file('sub/evil')"), archive]);
      const target = join(dir, 'out');
      mkdirSync(target);
      mkdirSync(join(dir, 'elsewhere'));
      symlinkSync(join(dir, 'elsewhere'), join(target, 'sub'));
      await unpack(archive, { dir: target }).catch(() => undefined);
      expect(readdirSync(join(dir, 'elsewhere'))).to.deep.equal([]);
    });

    it('lose setuid bits and absolute paths', async () => {
      const archive = join(dir, 'a.tar');
      execFileSync('python3', ['-c', members("file('/abs/tool', mode=0o6755)"), archive]);
      const target = join(dir, 'out');
      mkdirSync(target);
      await unpack(archive, { dir: target });
      expect((statSync(join(target, 'abs/tool')).mode & 0o7777).toString(8)).to.equal('644');
    });

    it('that are bombs are stopped', async () => {
      const archive = join(dir, 'bomb.tar.gz');
      const zeros = gzipSync(Buffer.alloc(64 * MIB));
      // Gzip members one after the other are one stream: 384 MiB of zeros in 400 KiB.
      writeFileSync(archive, Buffer.concat(new Array(6).fill(zeros)));
      const failure = await unpack(archive, { dir }).then(
        () => 'unpacked',
        (error: Error) => error.message,
      );
      expect(failure).to.match(/unpacks to more than 268435456 bytes: it looks like a bomb$/);
    }).timeout(20_000);

    it('that are broken are told of', async () => {
      for (const name of ['a.tar', 'a.tar.gz', 'a.zip']) {
        const archive = join(dir, name);
        writeFileSync(
          archive,
          Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.from('no archive at all'.repeat(100))]),
        );
        const failure = await unpack(archive, { dir }).then(
          () => 'unpacked',
          (error: Error) => error.message,
        );
        expect(failure, name).to.match(/^the archive is broken: /);
      }
    });
  });
});
