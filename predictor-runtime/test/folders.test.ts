/** Folders of a repository that hold no model. */
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { expect } from 'chai';
import { keptLog } from './kept-log.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, eventually, withServer } from './server.ts';

const CONFIG = 'platform: "onnxruntime_onnx"';

describe('folders of a model repository', () => {
  it('that hold no model are passed over, and told of once', async () => {
    using folder = new RepositoryFolder({
      add: { model: 'add_two' },
      'versions/2': { model: 'versions/2' },
      'lost+found/#131': 'lost',
      '__pycache__/handler.cpython-312.pyc': '',
      'docs/README.txt': 'Read me.',
      'docs/package.json': '{}',
      'a file': '',
      '.cache/model.onnx': '',
    });
    symlinkSync('nowhere', `${folder.dir}/gone`);
    symlinkSync('a file', `${folder.dir}/no folder`);
    symlinkSync('add', `${folder.dir}/linked`);
    symlinkSync('nowhere', `${folder.dir}/docs/gone.txt`);
    execFileSync('mkfifo', [`${folder.dir}/pipe`]);
    const { log, lines } = keptLog();
    const run = async (url: string) => {
      expect((await call(`${url}/v2/health/ready`)).status).to.equal(200);
      const { json } = await call(`${url}/v2/repository/index`, {});
      expect(json.map(({ name }: { name: string }) => name)).to.deep.equal([
        'add',
        'linked',
        'versions',
      ]);
    };
    await withServer({ modelRepository: [folder.dir] }, run, {}, log);
    const told = lines.filter(({ message }) => String(message).includes('passed over'));
    expect(told.map(({ dir }) => String(dir).slice(folder.dir.length + 1)).sort()).to.deep.equal([
      '__pycache__',
      'docs',
      'lost+found',
    ]);
  });

  for (const [title, path, content, error] of [
    ['has a configuration', 'm/config.pbtxt', CONFIG, /^model 'm'.*no model file/],
    ['has a version', 'm/1/weights.bin', '', /^model 'm'.*no model file/],
    ['has a file of another framework', 'm/model.pt', '', /^model 'm'.*no model file/],
  ] as const) {
    it(`that ${title} is a model, and its fault is told`, async () => {
      using folder = new RepositoryFolder({ [path]: content });
      await withServer({ modelRepository: [folder.dir] }, async (url) => {
        const { status, json } = await call(`${url}/v2/health/ready`);
        expect(status).to.equal(503);
        expect(json.error).to.match(error);
      });
    });
  }

  it('may hold links that lead nowhere, pipes and folders beside a model', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' }, 'add/notes.json/a': '' });
    symlinkSync('nowhere', `${folder.dir}/add/gone.txt`);
    execFileSync('mkfifo', [`${folder.dir}/add/pipe.txt`]);
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const { status, json } = await call(`${url}/v2/health/ready`);
      expect(status, json.error).to.equal(200);
    });
  });

  it('that was wrong and is gone keeps nobody unready', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' }, 'm/config.pbtxt': 'x: 1' });
    const config = { modelControlMode: 'poll', repositoryPollSecs: 0.05 } as const;
    await withServer({ modelRepository: [folder.dir], ...config }, async (url) => {
      expect((await call(`${url}/v2/health/ready`)).status).to.equal(503);
      folder.remove('m');
      await eventually(async () => (await call(`${url}/v2/health/ready`)).status === 200);
    });
  });
});
