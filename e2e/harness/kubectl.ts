/** kubectl, and what the tests read with it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InferenceServiceData } from '../../operator/src/api/inferenceservice.ts';
import type { KubeObject } from '../../operator/src/api/kube.ts';
import { NAMESPACE, ROOT } from './cluster.ts';
import { eventually } from './load.ts';
import { run } from './shell.ts';

/** URL of the routers from outside the cluster. */
export const router = () => process.env.WHERRY_ROUTER ?? '';

/** A row of the iris data set, of class 1. */
export const IRIS_INPUT = JSON.stringify({
  inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.8, 2.8, 4.8, 1.4] }],
});

export function kubectl(...args: string[]): Promise<string> {
  return run('kubectl', args);
}

export function apply(manifest: string | object, ...args: string[]): Promise<string> {
  const input = typeof manifest === 'string' ? manifest : JSON.stringify(manifest);
  return run('kubectl', ['apply', '-f', '-', ...args], { input });
}

export async function get<T = KubeObject>(...args: string[]): Promise<T> {
  return JSON.parse(await kubectl('get', ...args, '-o', 'json')) as T;
}

export function sample(name: string): string {
  return readFileSync(join(ROOT, 'config/samples', name), 'utf8');
}

/** An InferenceService of the iris model with these fields of the predictor on top. */
export function isvc(name: string, predictor: object = {}, model: object = {}): object {
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { name },
    spec: {
      predictor: {
        model: { modelFormat: { name: 'onnx' }, storageUri: 'builtin://iris', ...model },
        ...predictor,
      },
    },
  };
}

export type Status = NonNullable<InferenceServiceData['status']>;

export async function statusOf(name: string, namespace = 'default'): Promise<Status> {
  return (await get<InferenceServiceData>('isvc', name, '-n', namespace)).status ?? {};
}

export function conditionOf(status: Status, type: string) {
  return status.conditions?.find((c) => c.type === type);
}

/** Waits until the service is ready for its latest generation. */
export async function ready(name: string, seconds = 90): Promise<Status> {
  return eventually(
    `${name} is ready`,
    async () => {
      const { metadata, status } = await get<InferenceServiceData>('isvc', name);
      const isReady = status && conditionOf(status, 'Ready')?.status === 'True';
      return isReady && status.observedGeneration === metadata.generation && status;
    },
    seconds,
  );
}

/** A pod, with what tells whether it is ready. */
export interface FoundPod extends KubeObject {
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** The pods of a service, those that are about to end among them. */
export async function podsOf(service: string): Promise<FoundPod[]> {
  const selector = `serving.kserve.io/inferenceservice=${service}`;
  return (await get<{ items: FoundPod[] }>('pods', '-l', selector)).items;
}

export function isPodReady({ status }: FoundPod): boolean {
  return (
    status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false
  );
}

/** The number of pods of a Deployment that are ready. */
export async function readyReplicas(deployment: string): Promise<number> {
  const { status } = await get<{ status: { readyReplicas?: number } }>('deployment', deployment);
  return status.readyReplicas ?? 0;
}

/** Waits until a service without requests is ready, because it is idle, and its last pod has gone. */
export async function idle(name: string): Promise<void> {
  await eventually(
    `${name} is idle and has no pod`,
    async () => {
      const state = conditionOf(await statusOf(name), 'Ready');
      const isIdle = state?.reason === 'Idle' && state.status === 'True';
      return isIdle && (await podsOf(name)).length === 0;
    },
    150,
  );
}

/** The name of the operator's pod that leads; empty while none does. */
export function leaseHolder(): Promise<string> {
  return kubectl(
    ...['get', 'lease', 'wherry-operator', '-n', NAMESPACE],
    ...['-o', 'jsonpath={.spec.holderIdentity}'],
  );
}

/** Waits until the routers share out traffic like this. */
export function split(name: string, shares: Record<string, number>): Promise<Status> {
  const wanted = JSON.stringify(Object.entries(shares).sort());
  return eventually(`${name} has ${JSON.stringify(shares)}`, async () => {
    const status = await statusOf(name);
    const targets = status.components?.predictor?.traffic ?? [];
    const current = targets.map(({ revisionName, percent }) => [revisionName, percent]).sort();
    const applied = conditionOf(status, 'IngressReady')?.status === 'True';
    return JSON.stringify(current) === wanted && applied && status;
  });
}

/** Sends a request through the routers by host. */
export async function infer(name: string, namespace = 'default') {
  const { request } = await import('node:http');
  return new Promise<{ status: number; revision: string; body: string }>((resolve, reject) => {
    const host = `${name}-${namespace}.example.com`;
    const req = request(
      `${router()}/v2/models/${name}/infer`,
      { method: 'POST', headers: { host } },
      (res) => {
        let body = '';
        res.on('data', (chunk: Buffer) => {
          body += chunk;
        });
        res.on('end', () =>
          resolve({
            status: res.statusCode ?? 0,
            revision: String(res.headers['x-wherry-revision'] ?? ''),
            body,
          }),
        );
      },
    );
    req.on('error', reject);
    req.end(IRIS_INPUT);
  });
}

/** The operator's counters of requests to the API server, by `verb kind`. */
export async function apiRequests(): Promise<Map<string, number>> {
  const path = `/api/v1/namespaces/${NAMESPACE}/services/wherry-operator-metrics:9090/proxy/metrics`;
  const text = await kubectl('get', '--raw', path);
  const counts = new Map<string, number>();
  for (const [, verb, kind, n] of text.matchAll(
    /^wherry_kube_requests_total\{verb="([^"]+)",kind="(\w+)",code="\d+"\} (\d+)$/gm,
  )) {
    const key = `${verb} ${kind}`;
    counts.set(key, (counts.get(key) ?? 0) + Number(n));
  }
  return counts;
}

/** Seconds in which everything of a service is gone: its pods may take 70 to end. */
const GONE_WITHIN = 120;

/** Deletes services and waits until everything of theirs is gone. @throws Error after two minutes. */
export async function removeAll(...names: string[]): Promise<void> {
  if (names.length > 0) await kubectl('delete', 'isvc', ...names, '--ignore-not-found');
  const selector = 'serving.kserve.io/inferenceservice';
  const isGone = async () => {
    const kinds = 'isvc,deployments,replicasets,pods,services,endpointslices';
    const left = names.map((name) =>
      kubectl('get', kinds, '-l', `${selector}=${name}`, '-o', 'name'),
    );
    return (await Promise.all(left)).join('') === '';
  };
  await eventually('everything of the services is gone', isGone, GONE_WITHIN);
}
