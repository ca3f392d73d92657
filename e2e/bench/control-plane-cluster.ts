/**
 * The cluster of the control-plane bench: a real API server with many services of one pod each. Nothing runs
 * in the pods; what a kubelet and Kubernetes' controllers would write is written here.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import type { InferenceServiceData } from '../../operator/src/api/inferenceservice.ts';
import { type KubeObject, keyOf, type Secret } from '../../operator/src/api/kube.ts';
import { runWorkers } from '../../operator/src/controller/worker.ts';
import { WorkQueue } from '../../operator/src/controller/workqueue.ts';
import { KubeClient } from '../../operator/src/kube/client.ts';
import { Informer } from '../../operator/src/kube/informer.ts';
import { createLogger } from '../../operator/src/log.ts';
import { type ApiServer, startApiServer } from '../harness/api-server.ts';
import { ROOT } from '../harness/cluster.ts';
import type { ClientTls } from '../harness/envoy.ts';
import { eventually } from '../harness/load.ts';
import { availableDeploymentStatus, runningPodStatus, writeMany } from './cluster-objects.ts';

/** Namespace of the operator and the routers. */
export const SYSTEM = 'wherry-system';
/** Node id of the one router, and the name of its pod. */
export const ROUTER = 'wherry-router-bench';
/** Port of the pods; the runtime's own 8080 is the router's on this machine. */
export const POD_PORT = 8090;
/** Addresses between which a pod moves. */
export const POD_ADDRESSES = ['127.0.0.2', '127.0.0.3'] as const;

const NAMESPACE = 'models';
const WRITERS = 20;
/** Within which a service becomes ready, on a slow machine. */
const SECONDS_PER_SERVICE = 0.12;
/** Nobody connects to it, and an EndpointSlice may hold no loopback address. */
const ROUTER_ADDRESS = '10.0.0.1';
const RUNTIMES = '/apis/serving.kserve.io/v1alpha1/clusterservingruntimes';
const SERVICES = `/apis/serving.kserve.io/v1beta1/namespaces/${NAMESPACE}/inferenceservices`;
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const DEPLOYMENTS = `/apis/apps/v1/namespaces/${NAMESPACE}/deployments`;

export class BenchCluster {
  readonly #server: ApiServer;
  readonly #stopped = new AbortController();
  readonly #queue = new WorkQueue();
  readonly #deployments: Informer;
  readonly #ready = new Set<string>();
  /** Which of the two addresses each pod has. */
  readonly #moved = new Set<number>();
  /** Rejects when a pod cannot be made. */
  readonly #failed = Promise.withResolvers<never>();
  #count = 0;

  private constructor(server: ApiServer) {
    this.#server = server;
    const client = new KubeClient(server.kubeConfig());
    const log = createLogger('error', 'text');
    const { signal } = this.#stopped;
    this.#deployments = new Informer({
      client,
      kind: 'Deployment',
      namespace: NAMESPACE,
      log,
      onChange: (object) => this.#queue.add(keyOf(object)),
    });
    const services = new Informer({
      client,
      kind: 'InferenceService',
      namespace: NAMESPACE,
      log,
      onChange: (object, deleted) => this.#note(object as InferenceServiceData, deleted),
    });
    void this.#deployments.run(signal);
    void services.run(signal);
    void runWorkers({
      queue: this.#queue,
      reconcile: (key) => this.#runPod(key),
      log,
      count: WRITERS,
    });
  }

  /** Starts the API server with what the chart installs for the operator, and no service. */
  static async start(): Promise<BenchCluster> {
    const server = await startApiServer();
    try {
      for (const name of [SYSTEM, NAMESPACE]) {
        await server.request('POST', '/api/v1/namespaces', { metadata: { name } });
      }
      await server.request('POST', `/apis/apps/v1/namespaces/${SYSTEM}/deployments`, operator());
      const slices = `/apis/discovery.k8s.io/v1/namespaces/${SYSTEM}/endpointslices`;
      await server.request('POST', slices, routers());
      await server.request('POST', RUNTIMES, runtime());
      return new BenchCluster(server);
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** The administrator's kubeconfig as text. */
  get kubeConfig(): string {
    return this.#server.kubeConfig().exportConfig();
  }

  /** The host by which the router knows a service. */
  host(index: number): string {
    return `${serviceName(index)}-${NAMESPACE}.example.com`;
  }

  /** Makes services until there are `count`, and waits until all are ready. */
  async grow(count: number): Promise<void> {
    const first = this.#count;
    this.#count = count;
    await writeMany(count - first, (i) =>
      this.#server.request('POST', SERVICES, service(first + i)),
    );
    const what = `${count} services are ready`;
    const isReady = () => this.#ready.size === count;
    await Promise.race([
      eventually(what, isReady, 60 + count * SECONDS_PER_SERVICE),
      this.#failed.promise,
    ]);
  }

  /** Gives a service's pod its other address; returns that address once the API server has taken it. */
  async movePod(index: number): Promise<string> {
    const isMoved = !this.#moved.delete(index);
    if (isMoved) this.#moved.add(index);
    const podIP = POD_ADDRESSES[isMoved ? 1 : 0];
    const status = { podIP, podIPs: [{ ip: podIP }] };
    await this.#server.request('PATCH', `${PODS}/${podName(index)}/status`, { status });
    return podIP;
  }

  /** Deletes a service and, as the garbage collector would, what it owns. */
  async deleteService(index: number): Promise<void> {
    const name = serviceName(index);
    await this.#server.request('DELETE', `${SERVICES}/${name}`);
    const core = `/api/v1/namespaces/${NAMESPACE}/services`;
    const slices = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;
    for (const path of [
      `${DEPLOYMENTS}/${revisionName(index)}`,
      `${PODS}/${podName(index)}?gracePeriodSeconds=0`,
      `${core}/${name}`,
      `${core}/${name}-predictor`,
      `${slices}/${name}-predictor-router`,
    ]) {
      await this.#server.request('DELETE', path);
    }
  }

  /** Changes the runtime that every service uses; 0 is as it was made. */
  async editRuntime(edition: number): Promise<void> {
    const object = runtime(edition);
    await this.#server.request('PATCH', `${RUNTIMES}/${object.metadata.name}`, object);
  }

  /** The certificate that the operator has made for routers. */
  async routerTls(): Promise<ClientTls> {
    const path = `/api/v1/namespaces/${SYSTEM}/secrets/wherry-xds-router`;
    const { data = {} } = await eventually('the routers have a certificate', async () => {
      return JSON.parse(await this.#server.request('GET', path)) as Secret;
    });
    const file = (name: string) => Buffer.from(String(data[name]), 'base64').toString();
    return { cert: file('tls.crt'), key: file('tls.key'), ca: file('ca.crt') };
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#queue.close();
    await this.#server.stop();
  }

  #note(service_: InferenceServiceData, deleted: boolean): void {
    const { status, metadata } = service_;
    const isReady = status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True');
    if (isReady && !deleted) this.#ready.add(metadata.name);
    else this.#ready.delete(metadata.name);
  }

  async #runPod(key: string): Promise<object> {
    await this.#makePod(this.#deployments.get(key) as DeploymentObject | undefined).catch(
      this.#failed.reject,
    );
    return {};
  }

  /** Makes the pod of a new Deployment, ready at once. */
  async #makePod(deployment: DeploymentObject | undefined): Promise<void> {
    if (deployment === undefined || (deployment.status?.replicas ?? 0) > 0) return;
    const { name } = deployment.metadata;
    const index = Number(/^service-(\d+)-/.exec(name)?.[1]);
    await this.#server.request('POST', PODS, podOf(name, index, deployment.spec.template));
    const status = runningPodStatus(POD_ADDRESSES[0], index);
    await this.#server.request('PATCH', `${PODS}/${podName(index)}/status`, { status });
    const available = availableDeploymentStatus();
    await this.#server.request('PATCH', `${DEPLOYMENTS}/${name}/status`, { status: available });
  }
}

interface PodTemplate {
  readonly metadata: KubeObject['metadata'];
  readonly spec: object;
}

interface DeploymentObject extends KubeObject {
  readonly spec: { readonly template: PodTemplate };
  readonly status?: { readonly replicas?: number };
}

function serviceName(index: number): string {
  return `service-${index}`;
}

function revisionName(index: number): string {
  return `${serviceName(index)}-predictor-00001`;
}

function podName(index: number): string {
  return `${revisionName(index)}-5d8c7b9f6d-x7k2p`;
}

function podOf(deployment: string, index: number, { metadata, spec }: PodTemplate): object {
  const labels = { ...metadata.labels, 'pod-template-hash': '5d8c7b9f6d' };
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${deployment}-5d8c7b9f6d` };
  return {
    metadata: {
      ...metadata,
      name: podName(index),
      labels,
      ownerReferences: [{ ...owner, uid: `uid-${index}`, controller: true }],
    },
    spec: { ...spec, nodeName: 'node' },
  };
}

function service(index: number): object {
  const model = { modelFormat: { name: 'onnx' }, storageUri: `s3://models/service-${index}/1` };
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name: serviceName(index) },
    spec: { predictor: { model } },
  };
}

/** The chart's runtime on another port; `edition` makes it another one. */
function runtime(edition = 0): KubeObject {
  const text = readFileSync(join(ROOT, 'charts/wherry/files/runtime.yaml'), 'utf8');
  const object = load(text.replaceAll('8080', String(POD_PORT))) as KubeObject & {
    spec: { containers: { env?: object[] }[] };
  };
  for (const container of object.spec.containers) {
    container.env = [{ name: 'EDITION', value: String(edition) }];
  }
  return object;
}

/** The operator's Deployment, which owns its Secrets; the process is the bench's. */
function operator(): object {
  const labels = { 'app.kubernetes.io/name': 'wherry-operator' };
  const containers = [{ name: 'operator', image: 'operator' }];
  return {
    metadata: { name: 'wherry-operator' },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers } },
    },
  };
}

/** The endpoints of the routers' Service: the operator waits for word from each. */
function routers(): object {
  return {
    metadata: {
      name: 'wherry-router-1',
      labels: { 'kubernetes.io/service-name': 'wherry-router' },
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080 }],
    endpoints: [
      {
        addresses: [ROUTER_ADDRESS],
        conditions: { ready: true },
        targetRef: { kind: 'Pod', namespace: SYSTEM, name: ROUTER },
      },
    ],
  };
}
