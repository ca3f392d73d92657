/** Runs local mode: the planner and the autoscaler on a cluster in memory, with processes for pods. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import type { Lister } from '../api/cluster.ts';
import { DEFAULT_CONFIG, type OperatorConfig } from '../api/config.ts';
import { type KubeObject, keyOf } from '../api/kube.ts';
import { parseRevision } from '../api/revision.ts';
import type { Share } from '../api/route-table.ts';
import { inferenceServiceController } from '../controller/inferenceservice.ts';
import { Reconciliation } from '../controller/reconciliation.ts';
import { RoutePublisher } from '../controller/route-publisher.ts';
import { Waker } from '../controller/waker.ts';
import type { Logger } from '../log.ts';
import type { RoutingState } from '../plan/input.ts';
import { chartAdmission } from './admission.ts';
import { greeting } from './greeting.ts';
import { LocalKubelet } from './kubelet.ts';
import { Manifests } from './manifests.ts';
import { MemoryCluster } from './memory-cluster.ts';
import { LocalProxy } from './proxy.ts';

/** Answer to a runtime that asks for a warm pool. */
const NO_POOLS = 'local mode has no warm pools: a process starts for each revision that is asked';

const ROOT = new URL('../../../', import.meta.url);

/** The files to serve, and where to listen, log and print. */
export interface LocalOptions {
  /** Paths of YAML files; they are watched, and saved changes apply at once. */
  readonly files: readonly string[];
  /** The port to listen on at localhost; 0 takes a free one. */
  readonly port: number;
  readonly log: Logger;
  /** Prints to the person at the terminal. */
  readonly print: (text: string) => void;
}

/** A running local mode. */
export interface LocalMode {
  /** The port that the proxy listens on. */
  readonly port: number;
  /** Ends the proxy and every predictor process, and resolves when all have ended. */
  stop(): Promise<void>;
}

/** Starts to serve the files. @throws Error when the port is taken or a file holds what cannot be served. */
export async function startLocal({ files, port, log, print }: LocalOptions): Promise<LocalMode> {
  const cluster = new MemoryCluster((about, { reason, message }) =>
    log.info('event', { service: keyOf(about), reason, message }),
  );
  const kubelet = new LocalKubelet(cluster, log);
  const proxy = localProxy(cluster, log);
  proxy.server.listen(port, 'localhost');
  await once(proxy.server, 'listening');
  const urlPort = (proxy.server.address() as { port: number }).port;
  const config: OperatorConfig = { ...DEFAULT_CONFIG, ingressDomain: 'localhost', urlPort };

  const greeted = greeting(print);
  const routes = new RoutePublisher({
    lister: cluster,
    config,
    gatherMs: 0,
    publish: (changes) => proxy.update(changes),
    onHostsMoved: (keys) => reconciliation.enqueue(keys),
  });
  const reconciliation = new Reconciliation({
    lister: cluster,
    writer: cluster,
    controller: (desired) =>
      inferenceServiceController({
        lister: cluster,
        writer: cluster,
        surroundings: {
          routerAddresses: () => ['127.0.0.1'],
          routerCount: () => 1,
          routing: claimedRouting(cluster),
          desired,
          hostOwner: (key) => routes.hostOwner(key),
          now: () => new Date(),
        },
        config,
      }),
    warmPools: { config, authorities: () => '', refusal: NO_POOLS },
    workers: 4,
    log,
  });
  cluster.watch((change) => {
    routes.onChange(change);
    reconciliation.onChange(change);
    if (change.kind === 'InferenceService') greeted(change.object);
  });
  cluster.submit(
    load(readFileSync(new URL('charts/wherry/files/runtime.yaml', ROOT), 'utf8')) as KubeObject,
  );
  const report = setInterval(() => reconciliation.onLoad(proxy.report(Date.now())), 1000);

  const admission = chartAdmission();
  const manifests = new Manifests({ files, admission, cluster, log });

  async function stop(): Promise<void> {
    manifests.stop();
    clearInterval(report);
    await reconciliation.stop();
    await kubelet.stop();
    await proxy.close();
  }

  if ((await manifests.start()) > 0) {
    await stop();
    throw new Error('a file cannot be served; the lines above say what to mend');
  }
  return { port: urlPort, stop };
}

/** Returns a proxy whose waiting requests start pods. */
function localProxy(cluster: MemoryCluster, log: Logger): LocalProxy {
  const waker = new Waker({ lister: cluster, writer: cluster, log });
  return new LocalProxy({
    random: Math.random,
    now: Date.now(),
    onWaiting: (counts) => {
      for (const { ref, count } of counts) void waker.wake(ref, count);
    },
  });
}

/** Returns the shares that the status claims: the proxy follows every change at once, so they are applied. */
export function claimedRouting(lister: Pick<Lister, 'get'>): (key: string) => RoutingState {
  return (key) => {
    const isvc = lister.get('InferenceService', key);
    const { traffic = [], heldRevisions = [] } = isvc?.status?.components?.predictor ?? {};
    const shares = traffic.flatMap(({ revisionName, percent }): Share[] => {
      const ref = parseRevision(isvc?.metadata.namespace ?? '', revisionName);
      const held = heldRevisions.includes(revisionName) && ({ held: true } as const);
      return ref === undefined ? [] : [{ ref, percent, ...held }];
    });
    return { acknowledged: shares, inUse: shares.map(({ ref }) => ref) };
  };
}
