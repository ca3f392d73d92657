/**
 * Turns Deployments into processes, as the Deployment controller and the kubelet do on a cluster. A pod is a
 * child process of the predictor runtime on a port of its own.
 */
import type { Container, Deployment, KubeObject, Observed, Pod } from '../api/kube.ts';
import { keyOf } from '../api/kube.ts';
import { KSERVE_CONTAINER, LABELS } from '../api/names.ts';
import type { Logger } from '../log.ts';
import type { MemoryCluster } from './memory-cluster.ts';
import { PredictorProcess } from './process.ts';

/**
 * Longest wait in milliseconds before a predictor that ended starts again; the first is 1 s and each one
 * doubles.
 */
const MAX_RESTART_DELAY = 30_000;

interface LocalPod {
  readonly name: string;
  readonly deployment: Observed<Deployment>;
  process: PredictorProcess | undefined;
  restarts: number;
  lastFailure?: { exitCode: number; message: string; finishedAt: string };
  stopping: boolean;
}

/** The pods of a cluster in memory, each with its process. */
export class LocalKubelet {
  readonly #cluster: MemoryCluster;
  readonly #log: Logger;
  readonly #pods = new Map<string, LocalPod>();
  #count = 0;

  /** Follows the Deployments of `cluster` from now on, and keeps Pod objects in it. */
  constructor(cluster: MemoryCluster, log: Logger) {
    this.#cluster = cluster;
    this.#log = log;
    cluster.watch(({ kind, object }) => {
      if (kind === 'Deployment') this.#sync(object);
    });
  }

  /** Stops every process, and resolves when the last has ended. */
  async stop(): Promise<void> {
    await Promise.all([...this.#pods.values()].map((pod) => this.#remove(pod, 0)));
  }

  #sync(object: KubeObject): void {
    const key = keyOf(object);
    // This cluster keeps Deployments as they were made, whole.
    const current = this.#cluster.get('Deployment', key) as Observed<Deployment> | undefined;
    const running = [...this.#pods.values()].filter(
      (pod) => keyOf(pod.deployment) === key && !pod.stopping,
    );
    const wanted = current?.spec?.replicas ?? 0;
    for (let i = running.length; i < wanted && current !== undefined; i++) this.#create(current);
    for (const pod of running.slice(wanted)) void this.#remove(pod, 200);
  }

  #create(deployment: Observed<Deployment>): void {
    const name = `${deployment.metadata.name}-${(++this.#count).toString(36).padStart(3, '0')}`;
    const pod: LocalPod = { name, deployment, process: undefined, restarts: 0, stopping: false };
    this.#pods.set(name, pod);
    this.#start(pod);
  }

  #start(pod: LocalPod): void {
    const container = servingContainer(pod.deployment);
    pod.process = new PredictorProcess({
      args: container.args ?? [],
      env: Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value ?? ''])),
      onChange: () => this.#publish(pod),
      onExit: (exitCode, message) => this.#exited(pod, exitCode, message),
    });
    this.#publish(pod);
  }

  #exited(pod: LocalPod, exitCode: number, message: string): void {
    if (pod.stopping) return;
    pod.process = undefined;
    pod.lastFailure = { exitCode, message, finishedAt: new Date().toISOString() };
    this.#log.warn('predictor ended', { pod: pod.name, exitCode, message });
    this.#publish(pod);
    const delay = Math.min(MAX_RESTART_DELAY, 1000 * 2 ** pod.restarts++);
    setTimeout(() => {
      if (!pod.stopping) this.#start(pod);
    }, delay).unref();
  }

  /**
   * Ends a pod and deletes its object.
   * @param grace milliseconds between the pod's leaving the routes and its SIGTERM
   */
  async #remove(pod: LocalPod, grace: number): Promise<void> {
    pod.stopping = true;
    this.#publish(pod);
    await new Promise((resolve) => setTimeout(resolve, grace));
    await pod.process?.stop();
    this.#pods.delete(pod.name);
    const found = this.#cluster.get('Pod', `${pod.deployment.metadata.namespace}/${pod.name}`);
    if (found !== undefined) await this.#cluster.delete(found);
  }

  #publish(pod: LocalPod): void {
    this.#cluster.put(podObject(pod));
  }
}

function servingContainer({ spec }: Observed<Deployment>): Container {
  const containers = spec?.template.spec?.containers ?? [];
  return containers.find(({ name }) => name === KSERVE_CONTAINER) ?? { name: KSERVE_CONTAINER };
}

function podObject({ name, deployment, process, lastFailure, stopping }: LocalPod): Observed<Pod> {
  const ready = process?.ready ?? false;
  const template = deployment.spec?.template;
  const revision = deployment.metadata.name;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: deployment.metadata.namespace,
      labels: { ...template?.metadata?.labels, [LABELS.revision]: revision },
      ...(stopping ? { deletionTimestamp: new Date(0).toISOString() } : {}),
    },
    spec: {
      containers: [{ name: KSERVE_CONTAINER, ports: [{ containerPort: process?.port ?? 0 }] }],
    },
    status: {
      podIP: process?.port === undefined ? undefined : '127.0.0.1',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [
        {
          name: KSERVE_CONTAINER,
          image: '',
          imageID: '',
          ready,
          restartCount: 0,
          ...(lastFailure === undefined
            ? {}
            : { lastState: { terminated: { ...lastFailure, reason: 'Error' } } }),
        },
      ],
    },
  };
}
