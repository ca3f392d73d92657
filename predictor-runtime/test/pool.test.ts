/** A server of a warm pool takes one assignment, from an operator of its authority and for its own pod. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { newAuthority, newLeaf } from '../../e2e/harness/certificates.ts';
import { signAssignment } from '../../operator/src/certificates/assignment.ts';
import { trustBundle } from '../../operator/src/certificates/authorities.ts';
import type { Authorities } from '../../operator/src/certificates/issue.ts';
import { readAssignment } from '../src/server/assignment.ts';
import { call, type RunningPredictor, withPredictor } from './server.ts';

const POD = '0a7c7d1e-pod';
const IRIS = {
  inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.8, 2.8, 4.8, 1.4] }],
};

describe('assignments to a pool', () => {
  const now = new Date('2026-05-01T12:00:00Z');
  const args = ['--model_name=iris'];
  const assignment = { podUid: POD, revision: 'default/iris-predictor-00001', args, now };

  it('are taken from an operator of the authority', async () => {
    const authorities = await newAuthority(now);
    const token = await signAssignment(await newLeaf('operator', authorities, { now }), assignment);
    const rules = { authorities: trustBundle(authorities), podUid: POD, now };
    expect(await readAssignment(token, rules)).to.deep.equal({
      revision: 'default/iris-predictor-00001',
      args,
    });
  });

  for (const [what, reason, change] of [
    ['another pod', /unexpected "aud"/, { podUid: 'another' }],
    ['a time that is over', /"exp" claim timestamp/, { now: new Date('2026-05-01T11:00:00Z') }],
    ['a router', /its certificate is not an operator's/, { role: 'router' }],
    ['another authority', /no authority of the pool signed/, { isForeign: true }],
    ['a certificate that is out of date', /its certificate is out of date/, { years: 1 }],
  ] as const) {
    it(`are refused for ${what}`, async () => {
      const {
        role = 'operator',
        isForeign,
        years,
        ...rest
      } = {
        role: undefined,
        isForeign: false,
        years: 0,
        ...change,
      };
      const made = new Date(now);
      made.setFullYear(made.getFullYear() - years);
      const authorities = await newAuthority(made);
      const leaf = await newLeaf(role, authorities, { now: made });
      const token = await signAssignment(leaf, { ...assignment, ...rest });
      const trusted = isForeign ? await newAuthority(made) : authorities;
      const rules = { authorities: trustBundle(trusted), podUid: POD, now };
      const error = await readAssignment(token, rules).catch((error: Error) => error);
      expect(error).to.have.property('code', 'PERMISSION_DENIED');
      expect((error as Error).message).to.match(reason);
    });
  }

  it('are refused without a signature, or changed', async () => {
    const authorities = await newAuthority(now);
    const token = await signAssignment(await newLeaf('operator', authorities, { now }), assignment);
    const [header = '', , signature = ''] = token.split('.');
    const other = Buffer.from(JSON.stringify({ aud: POD, exp: 1e10, sub: 'a/b', args: [] }));
    const rules = { authorities: trustBundle(authorities), podUid: POD, now };
    for (const wrong of ['', 'text', `${header}.${other.toString('base64url')}.${signature}`]) {
      const error = await readAssignment(wrong, rules).catch((error: Error) => error);
      expect(error, wrong).to.have.property('code', 'PERMISSION_DENIED');
    }
  });
});

describe('server of a pool', function () {
  this.timeout(30_000);
  let authorities: Authorities;
  let modelDir: string;

  before(async () => {
    authorities = await newAuthority();
  });

  beforeEach(() => {
    modelDir = mkdtempSync(join(tmpdir(), 'wherry-pool-'));
  });

  afterEach(() => rmSync(modelDir, { recursive: true }));

  const flags = () => [
    ...[`--model_dir=${modelDir}`, `--pod_uid=${POD}`],
    `--pool_authority=${trustBundle(authorities)}`,
  ];
  const withPoolServer = (run: (url: string, predictor: RunningPredictor) => Promise<void>) =>
    withPredictor(flags(), async (predictor) => run(await predictor.waiting, predictor));

  async function assign(url: string, { uri = 'builtin://iris', podUid = POD } = {}) {
    const args = [
      '--model_name=iris',
      `--model_dir=${modelDir}`,
      `--http_port=${new URL(url).port}`,
      '--host=127.0.0.1',
      `--storage_uri=${uri}`,
    ];
    const leaf = await newLeaf('operator', authorities);
    const revision = 'default/iris-predictor-00001';
    const token = await signAssignment(leaf, { podUid, revision, args, now: new Date() });
    return call(`${url}/v2/pool/assignment`, token);
  }

  it('has no model, takes one, and serves it as any server does', async () => {
    await withPoolServer(async (url) => {
      expect((await call(`${url}/v2/health/ready`)).status).to.equal(200);
      expect((await call(`${url}/v2/models/iris/infer`, IRIS)).status).to.equal(404);
      expect((await assign(url)).status).to.equal(200);
      const { status, json } = await call(`${url}/v2/models/iris/infer`, IRIS);
      expect([status, json.outputs[0].data]).to.deep.equal([200, [1]]);
      expect((await call(`${url}/v2/health/ready`)).status).to.equal(200);
    });
  });

  it('refuses what is not for it, and goes on waiting', async () => {
    await withPoolServer(async (url) => {
      expect((await assign(url, { podUid: 'another' })).status).to.equal(403);
      expect((await call(`${url}/v2/pool/assignment`, 'no token')).status).to.equal(403);
      expect((await assign(url)).status).to.equal(200);
    });
  });

  it('takes the first of several assignments, and none after it', async () => {
    await withPoolServer(async (url) => {
      const statuses = (await Promise.all([assign(url), assign(url), assign(url)])).map(
        ({ status }) => status,
      );
      expect(statuses.sort()).to.deep.equal([200, 409, 409]);
      expect((await assign(url)).status).to.equal(404);
    });
  });

  it('does not start in a pod that has had one before it was started again', async () => {
    await withPoolServer(async (url) => {
      expect((await assign(url)).status).to.equal(200);
    });
    await withPredictor(flags(), async ({ exit, terminationMessage }) => {
      expect(await exit).to.equal(1);
      expect(terminationMessage()).to.match(/has been given a model before/);
    });
  });

  it('tells why a model does not load, and ends', async () => {
    await withPoolServer(async (url, { exit, terminationMessage }) => {
      const { status, json } = await assign(url, { uri: 'builtin://no-such-model' });
      expect(status).to.equal(400);
      expect(json.error).to.match(/no-such-model/);
      expect(await exit).to.equal(1);
      expect(terminationMessage()).to.match(/no-such-model/);
    });
  });

  it('ends at once when nobody has given it a model', async () => {
    await withPoolServer(async (_url, { child, exit }) => {
      child.kill('SIGTERM');
      expect(await exit).to.equal(0);
    });
  });
});
