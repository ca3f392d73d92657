/** Versions of a model: which are served, how they come and go, and that nothing is lost meanwhile. */
import { symlinkSync } from 'node:fs';
import { expect } from 'chai';
import { parseVersionPolicy, selectVersions } from '../src/serving/repository/version-policy.ts';
import { nextAction, type VersionState } from '../src/serving/transition.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, eventually, withServer } from './server.ts';

const x = { inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: [1, -2] }] };

/** The version that answers at this path, or the status. */
async function answering(url: string): Promise<number> {
  const { status, json } = await call(url, x);
  return status === 200 ? json.outputs[1].data[0] : status;
}

describe('version policies', () => {
  for (const [policy, wanted] of [
    ['latest', [10]],
    ['latest:2', [9, 10]],
    ['latest:9', [1, 9, 10]],
    ['all', [1, 9, 10]],
    ['specific:1,9,7', [1, 9]],
  ] as const) {
    it(`${policy} of 9, 10 and 1`, () => {
      expect(selectVersions([9, 10, 1], parseVersionPolicy(policy))).to.deep.equal(wanted);
    });
  }

  for (const policy of [
    '',
    'latest:0',
    'latest:1,2',
    'specific',
    'specific:x',
    'all:1',
    'newest',
  ]) {
    it(`refuses '${policy}'`, () => {
      expect(() => parseVersionPolicy(policy)).to.throw('expected latest, latest:N, all or');
    });
  }
});

describe('transitions', () => {
  const state = (text: string, id: number): VersionState => {
    const [version, phase, aspired] = text.split(' ') as [string, VersionState['phase'], string];
    return { version: Number(version), id, phase, aspired: aspired === 'aspired' };
  };
  for (const [title, versions, availability, resource] of [
    ['nothing', [], undefined, undefined],
    ['a first version', ['1 new aspired'], 'load 0', 'load 0'],
    [
      'several: the highest first',
      ['1 new aspired', '3 new aspired', '2 new aspired'],
      'load 1',
      'load 1',
    ],
    ['a newer version', ['1 available -', '2 new aspired'], 'load 1', 'unload 0'],
    [
      'a newer version that serves',
      ['1 available -', '2 available aspired'],
      'unload 0',
      'unload 0',
    ],
    ['a newer version that failed', ['1 available -', '2 failed aspired'], undefined, 'unload 0'],
    ['a newer version under way', ['1 available -', '2 loading aspired'], undefined, 'unload 0'],
    ['nothing wanted', ['1 available -'], 'unload 0', 'unload 0'],
    ['two unwanted', ['1 available -', '2 available -', '3 new aspired'], 'unload 0', 'unload 0'],
    ['one leaving', ['1 unloading -', '2 new aspired'], 'load 1', undefined],
    ['the same version anew', ['1 available -', '1 new aspired'], 'load 1', 'unload 0'],
  ] as const) {
    it(title, () => {
      const states = versions.map(state);
      const said = (policy: 'availability' | 'resource') => {
        const action = nextAction(states, policy);
        return action && `${action.kind} ${action.id}`;
      };
      expect([said('availability'), said('resource')]).to.deep.equal([availability, resource]);
    });
  }
});

describe('versions', () => {
  it('serves those of the policy, by number, by label and by default', async () => {
    using folder = new RepositoryFolder({ v: { model: 'versions' } });
    const config = {
      modelName: 'v',
      modelDir: `${folder.dir}/v`,
      versionPolicy: parseVersionPolicy('specific:1,2'),
      versionLabels: { stable: 1, gone: 3 },
    };
    await withServer(config, async (url) => {
      expect(await answering(`${url}/v2/models/v/infer`)).to.equal(2);
      expect(await answering(`${url}/v2/models/v/versions/1/infer`)).to.equal(1);
      expect(await answering(`${url}/v2/models/v/versions/stable/infer`)).to.equal(1);
      const { json } = await call(`${url}/v2/models/v/versions/1`);
      expect(json.versions).to.deep.equal(['1', '2']);
      for (const [path, error] of [
        ['v2/models/v/versions/3/infer', "model 'v' has no version 3; it has 1, 2"],
        [
          'v2/models/v/versions/canary/infer',
          "model 'v' has no label 'canary'; it has stable, gone",
        ],
        ['v2/models/v/versions/gone/infer', "model 'v' has no version 3; it has 1, 2"],
      ]) {
        expect(await call(`${url}/${path}`, x)).to.deep.equal({ status: 404, json: { error } });
      }
      const { json: stats } = await call(`${url}/v2/models/v/versions/stable/stats`);
      expect(stats.model_stats.map(({ version }: { version: string }) => version)).to.deep.equal([
        '1',
      ]);
      const { json: status } = await call(`${url}/v1/models/v`);
      expect(
        status.model_version_status.map(({ version }: { version: string }) => version),
      ).to.deep.equal(['1', '2']);
      const { json: one } = await call(`${url}/v1/models/v/labels/stable`);
      expect(one.model_version_status).to.have.length(1);
      expect(
        (await call(`${url}/v1/models/v/versions/2:predict`, { inputs: [1, 2] })).json.outputs
          .version,
      ).to.deep.equal([2]);
      expect(
        (await call(`${url}/v1/models/v/labels/stable:predict`, { inputs: [1, 2] })).json.outputs
          .version,
      ).to.deep.equal([1]);
    });
  });

  it('reads the numbers of folders as TensorFlow Serving does', async () => {
    using folder = new RepositoryFolder({
      'zeros/0002': { model: 'versions/2' },
      'zeros/1': { model: 'versions/1' },
      'long/00000123': { model: 'versions/3' },
      'long/7': { model: 'versions/1' },
      'first/000': { model: 'versions/2' },
    });
    // Links that lead nowhere and files are no versions.
    symlinkSync('nowhere', `${folder.dir}/zeros/9`);
    folder.put('zeros/8', '');
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      for (const [model, version, answer] of [
        ['zeros', '2', 2],
        ['long', '123', 3],
        ['first', '0', 2],
      ] as const) {
        expect(await answering(`${url}/v2/models/${model}/infer`)).to.equal(answer);
        const { json } = await call(`${url}/v2/models/${model}`);
        expect(json.versions).to.deep.equal([version]);
        const path = `${url}/v2/models/${model}/versions/${version.padStart(4, '0')}/infer`;
        expect((await call(path, x)).json.model_version).to.equal(version);
      }
    });
  });

  for (const [title, names, error] of [
    [
      'two folders of one number',
      ['7', '0007'],
      /^version 7 is in two folders, \S+7 and \S+7: keep one$/,
    ],
    [
      'a number too large',
      ['7', '1700000000000000001'],
      /1700000000000000001: versions go up to 9007199254740991, give it a smaller number$/,
    ],
  ] as const) {
    it(`refuses ${title}`, async () => {
      using folder = new RepositoryFolder({
        [`v/${names[0]}`]: { model: 'versions/1' },
        [`v/${names[1]}`]: { model: 'versions/2' },
      });
      await withServer({ modelRepository: [folder.dir] }, async (url) => {
        expect((await call(`${url}/v2/health/ready`)).json.error).to.match(error);
      });
    });
  }

  for (const transitionPolicy of ['availability', 'resource'] as const) {
    it(`loads a new version that appears, and unloads the old one (${transitionPolicy})`, async () => {
      using folder = new RepositoryFolder({ 'v/1': { model: 'versions/1' } });
      const config = {
        modelName: 'v',
        modelDir: `${folder.dir}/v`,
        modelControlMode: 'poll',
        repositoryPollSecs: 0.05,
        transitionPolicy,
      } as const;
      await withServer(config, async (url) => {
        // Looks that find nothing new must not be the last.
        await new Promise((resolve) => setTimeout(resolve, 200));
        const answers = new Set<number>();
        let done = false;
        const load = (async () => {
          while (!done) answers.add(await answering(`${url}/v2/models/v/infer`));
        })();
        folder.put('v/2', { model: 'versions/2' });
        await eventually(async () => answers.has(2));
        await eventually(
          async () => (await call(`${url}/v2/models/v`)).json.versions?.join() === '2',
        );
        folder.put('v/3', { model: 'bad_corrupt' });
        await eventually(async () => {
          const { json } = await call(`${url}/v1/models/v`);
          return json.model_version_status?.some(({ state }: { state: string }) => state === 'END');
        });
        expect(await answering(`${url}/v2/models/v/infer`)).to.equal(
          transitionPolicy === 'availability' ? 2 : 503,
        );
        folder.remove('v/3');
        await eventually(async () => (await answering(`${url}/v2/models/v/infer`)) === 2);
        done = true;
        await load;
        if (transitionPolicy === 'availability') expect([...answers].sort()).to.deep.equal([1, 2]);
      });
    });
  }

  it('finishes the requests of a version before it is unloaded', async () => {
    using folder = new RepositoryFolder({ 'l/1': { model: 'loop_n' } });
    const config = {
      modelName: 'l',
      modelDir: `${folder.dir}/l`,
      modelControlMode: 'poll',
      repositoryPollSecs: 0.05,
    } as const;
    await withServer(config, async (url) => {
      const trips = 1_000_000;
      const slow = call(`${url}/v2/models/l/infer`, {
        inputs: [
          { name: 'trips', datatype: 'INT64', shape: [], data: [trips] },
          { name: 'x', datatype: 'FP32', shape: [1], data: [0] },
        ],
      });
      await eventually(async () =>
        (await (await fetch(`${url}/metrics`)).text()).includes(
          'wherry_model_in_flight_requests{model="l",version="1"} 1',
        ),
      );
      folder.put('l/2', { model: 'loop_n' });
      await eventually(async () => (await call(`${url}/v2/models/l`)).json.versions.join() === '2');
      const { json } = await call(`${url}/v1/models/l`);
      expect(json.model_version_status[0]).to.include({ version: '1', state: 'UNLOADING' });
      const { status, json: answer } = await slow;
      expect(status).to.equal(200);
      expect(answer.model_version).to.equal('1');
      expect(answer.outputs[0].data).to.deep.equal([trips]);
    });
  });

  it('refuses a version that would not fit in memory, and serves the rest', async () => {
    using folder = new RepositoryFolder({ a: { model: 'add_two' }, d: { model: 'digits_cnn' } });
    const config = { modelRepository: [folder.dir], memoryLimitBytes: 20_000 };
    await withServer(config, async (url) => {
      const { status, json } = await call(`${url}/v2/models/d/ready`);
      expect(status).to.equal(503);
      expect(json.error).to.equal(
        "model 'd' version 1 failed to load: needs about 1 MiB of memory, but 1 MiB of 1 MiB are free: unload a model or raise --memory_limit_bytes",
      );
      expect((await call(`${url}/v2/models/a/ready`)).status).to.equal(200);
      expect((await call(`${url}/v2/health/ready`)).status).to.equal(503);
    });
  });
});
