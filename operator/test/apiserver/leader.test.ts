/** Leader election against a real API server: there is one leader at a time, whatever happens. */
import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { ApiServer } from '../../../e2e/harness/api-server.ts';
import { type FaultProxy, startFaultProxy } from '../../../e2e/harness/fault-proxy.ts';
import { eventually } from '../../../e2e/harness/load.ts';
import type { KubeObject } from '../../src/api/kube.ts';
import { KubeClient } from '../../src/kube/client.ts';
import { LeaderElection } from '../../src/kube/leader.ts';
import { type LogEntry, recordedLog } from './recorded-log.ts';
import { describeWithApiServer, sharedApiServer } from './server.ts';

const LEASE_MS = 2000;
const DURATIONS = { leaseSeconds: LEASE_MS / 1000, renewDeadlineMs: 1200, retryMs: 100 };
/** What a busy machine may add to any wait. */
const SLACK_MS = 700;
const NAME = 'operator';

describeWithApiServer('leader election', function () {
  this.timeout(30_000);
  let server: ApiServer;
  let proxy: FaultProxy;
  let namespace: string;
  let stopped: AbortController;

  before(async () => {
    server = await sharedApiServer();
  });

  beforeEach(async () => {
    proxy = await startFaultProxy(server.url, server.certificate);
    namespace = await server.namespace('leader');
    stopped = new AbortController();
  });

  afterEach(() => {
    server.thaw();
    stopped.abort();
    proxy.close();
  });

  interface Candidate {
    readonly election: LeaderElection;
    readonly entries: LogEntry[];
  }

  /** A candidate of its own connection pool, as another process would be. */
  function candidate(identity: string, url = server.url, deployment?: string): Candidate {
    const client = new KubeClient(server.kubeConfig(url));
    const { log, entries } = recordedLog();
    const options = {
      client,
      namespace,
      name: NAME,
      identity,
      log,
      durations: DURATIONS,
      deployment,
    };
    return { election: new LeaderElection(options), entries };
  }

  interface LeaseSpec {
    readonly holderIdentity: string;
    readonly leaseTransitions: number;
  }

  const lease = () => `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${NAME}`;
  const readLease = async () =>
    (JSON.parse(await server.request('GET', lease())) as { spec: LeaseSpec }).spec;

  /** Milliseconds that a promise takes. */
  async function elapsed(promise: Promise<unknown>): Promise<number> {
    const startedAt = performance.now();
    await promise;
    return performance.now() - startedAt;
  }

  it('lets one of many candidates lead, and the next when that one releases', async () => {
    const candidates = ['a', 'b', 'c', 'd'].map((identity) => candidate(identity));
    const leaders: Candidate[] = [];
    const holds: Promise<void>[] = [];
    for (const each of candidates) {
      void each.election.acquire(stopped.signal).then(() => {
        if (stopped.signal.aborted) return;
        leaders.push(each);
        holds.push(each.election.hold(stopped.signal));
      });
    }
    await eventually('one leads', () => leaders.length === 1);
    await sleep(2 * LEASE_MS);
    expect(leaders).to.have.length(1);
    stopped.abort();
    await Promise.all(holds);
    await leaders[0]?.election.release();
    expect((await readLease()).holderIdentity).to.equal('');

    const next = candidate('next');
    expect(await elapsed(next.election.acquire(new AbortController().signal))).to.be.below(
      SLACK_MS,
    );
    expect(await readLease()).to.include({ holderIdentity: 'next', leaseTransitions: 1 });
  });

  it('lets the Lease go with the Deployment of the operator, to which an older one is given, too', async () => {
    await candidate('before').election.acquire(stopped.signal);
    await candidate('before').election.release();
    const labels = { app: 'operator' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'o', image: 'o:1' }] } };
    const made = await server.request('POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, {
      metadata: { name: 'operator' },
      spec: { selector: { matchLabels: labels }, template },
    });
    await candidate('after', server.url, 'operator').election.acquire(stopped.signal);
    const { metadata } = JSON.parse(await server.request('GET', lease())) as KubeObject;
    const { uid } = (JSON.parse(made) as KubeObject).metadata;
    const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'operator', uid };
    expect(metadata.ownerReferences).to.deep.equal([owner]);
  });

  it('takes over a lease that is no longer renewed, by its own clock', async () => {
    const dead = candidate('dead');
    await dead.election.acquire(stopped.signal);
    // A holder whose clock is an hour ahead must not lead an hour longer.
    const ahead = new Date(Date.now() + 3_600_000).toISOString().replace('Z', '000Z');
    await server.request('PATCH', lease(), { spec: { renewTime: ahead } });
    const wait = await elapsed(candidate('next').election.acquire(stopped.signal));
    expect(wait).to.be.within(LEASE_MS, LEASE_MS + SLACK_MS);
    expect(await readLease()).to.include({ holderIdentity: 'next', leaseTransitions: 1 });
  });

  it('ends at once when another has taken the lease, and leaves that one alone', async () => {
    const { election } = candidate('a');
    await election.acquire(stopped.signal);
    const held = election.hold(stopped.signal);
    await server.request('PATCH', lease(), { spec: { holderIdentity: 'thief' } });
    expect(await elapsed(held)).to.be.below(DURATIONS.retryMs + SLACK_MS);
    await election.release();
    expect((await readLease()).holderIdentity).to.equal('thief');
  });

  it('goes on when somebody wrote the lease without taking it, or deleted it', async () => {
    const { election } = candidate('a');
    await election.acquire(stopped.signal);
    let ended = false;
    void election.hold(stopped.signal).then(() => {
      ended = true;
    });
    await server.request('PATCH', lease(), { metadata: { annotations: { note: 'looked at' } } });
    await sleep(2 * DURATIONS.renewDeadlineMs);
    await server.request('DELETE', lease());
    await eventually('the lease is back', readLease);
    await sleep(2 * DURATIONS.renewDeadlineMs);
    expect([ended, (await readLease()).holderIdentity]).to.deep.equal([false, 'a']);
  });

  it('gives up before another can take over when the API server hangs', async () => {
    const { election, entries } = candidate('a', proxy.url);
    await election.acquire(stopped.signal);
    const held = election.hold(stopped.signal);
    // The leader's line is dead, as in a partition; the other candidate's is not.
    proxy.decide = () => new Promise(() => undefined);
    const takenOver = candidate('b').election.acquire(stopped.signal);
    const [gaveUp, tookOver] = await Promise.all([elapsed(held), elapsed(takenOver)]);
    expect(gaveUp).to.be.below(DURATIONS.renewDeadlineMs + SLACK_MS);
    expect(tookOver).to.be.within(LEASE_MS - DURATIONS.retryMs, LEASE_MS + SLACK_MS);
    expect(gaveUp).to.be.below(tookOver);
    expect(entries.map(({ message }) => message)).to.include('lease not renewed');
  });

  it('outlives an outage shorter than the deadline', async () => {
    const { election } = candidate('a', proxy.url);
    await election.acquire(stopped.signal);
    let ended = false;
    const held = election.hold(stopped.signal).then(() => {
      ended = true;
    });
    proxy.decide = () => ({ status: 500, body: 'away' });
    await sleep(DURATIONS.renewDeadlineMs / 2);
    proxy.decide = () => undefined;
    await sleep(2 * DURATIONS.renewDeadlineMs);
    expect(ended).to.equal(false);
    stopped.abort();
    await held;
  });

  it('does not count a renewal of long ago when it comes to hold late', async () => {
    const { election } = candidate('a');
    await election.acquire(stopped.signal);
    await sleep(DURATIONS.renewDeadlineMs + 50);
    expect(await elapsed(election.hold(stopped.signal))).to.be.below(DURATIONS.retryMs);
  });

  it('waits for an API server that is away, and for rights that it does not have yet', async () => {
    const { election, entries } = candidate('a', proxy.url);
    const forbidden = { kind: 'Status', code: 403, reason: 'Forbidden', message: 'no' };
    let requests = 0;
    proxy.decide = ({ pathname }) => {
      requests++;
      // The first lease is to be made: its name is not in the path then.
      const isRefused = requests < 3 || (requests < 6 && !pathname.endsWith(NAME));
      return isRefused ? { status: 403, body: forbidden } : undefined;
    };
    await election.acquire(stopped.signal);
    expect(entries.at(-1)?.message).to.equal('leading');
    expect(entries[0]?.error).to.equal(`get ${lease()}: 403 no`);
  });

  it('ends acquire and hold at once when told to, also while the API server hangs', async () => {
    const leader = candidate('a', proxy.url);
    await leader.election.acquire(stopped.signal);
    const held = leader.election.hold(stopped.signal);
    const waiting = candidate('b', proxy.url).election.acquire(stopped.signal);
    await sleep(1000);
    expect(getEventListeners(stopped.signal, 'abort').length).to.be.at.most(2);
    let hanging = 0;
    proxy.decide = () => new Promise(() => hanging++);
    await eventually('both ask and get no answer', () => hanging > 1);
    const ended = elapsed(Promise.all([held, waiting]));
    stopped.abort();
    expect(await ended).to.be.below(100);
    // The renewal that was cut off may have been written: the lease is ours to release all the same.
    proxy.decide = () => undefined;
    await leader.election.release();
    expect((await readLease()).holderIdentity).to.equal('');
  });

  it('says that it could not release, and throws nothing', async () => {
    const { election, entries } = candidate('a', proxy.url);
    await election.acquire(stopped.signal);
    proxy.close();
    await election.release();
    expect(entries.at(-1)).to.include({ level: 'warn', message: 'lease not released' });
  });
});
