/** What a kubelet and Kubernetes' controllers would write, for benches that have an API server alone. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Requests under way at a time: what two cores of an API server can use. */
const WRITERS = 40;

/** Calls `write` with 0 to `count` - 1, many at a time; a failure ends it. */
export async function writeMany(
  count: number,
  write: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      for (let index = next++; index < count; index = next++) await write(index);
    }),
  );
}

/** The status of a pod that runs and is ready, with one container of the usual name. */
export function runningPodStatus(podIP: string, index: number): object {
  const at = '2026-01-01T00:00:00Z';
  const conditions = [
    'PodReadyToStartContainers',
    'Initialized',
    'Ready',
    'ContainersReady',
    'PodScheduled',
  ];
  return {
    phase: 'Running',
    conditions: conditions.map((type) => ({ type, status: 'True', lastTransitionTime: at })),
    hostIP: '10.0.0.1',
    hostIPs: [{ ip: '10.0.0.1' }],
    podIP,
    podIPs: [{ ip: podIP }],
    startTime: at,
    containerStatuses: [
      {
        name: 'kserve-container',
        state: { running: { startedAt: at } },
        ready: true,
        started: true,
        restartCount: 0,
        image: 'ghcr.io/wherry/predictor-runtime:0.1.0',
        imageID: `ghcr.io/wherry/predictor-runtime@sha256:${'ab'.repeat(32)}`,
        containerID: `containerd://${index.toString(16).padStart(64, '0')}`,
      },
    ],
  };
}

/** The status of a Deployment whose one pod is available. */
export function availableDeploymentStatus(): object {
  const at = '2026-01-01T00:00:00Z';
  const times = { lastTransitionTime: at, lastUpdateTime: at };
  return {
    observedGeneration: 1,
    replicas: 1,
    updatedReplicas: 1,
    readyReplicas: 1,
    availableReplicas: 1,
    conditions: [
      { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', ...times },
      { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', ...times },
    ],
  };
}

/** Calls `act` `count` times, `perSecond` a second by the clock; waits for the last one. */
export async function atRate(
  { count, perSecond }: { readonly count: number; readonly perSecond: number },
  act: (index: number) => Promise<unknown>,
): Promise<void> {
  const startedAt = performance.now();
  const pending: Promise<unknown>[] = [];
  for (let index = 0; index < count; index++) {
    const dueMs = startedAt + (index * 1000) / perSecond - performance.now();
    if (dueMs > 0) await sleep(dueMs);
    pending.push(act(index));
  }
  await Promise.all(pending);
}
