/** The services of the cold-start bench, and the same pod started by hand, on the cluster of the end-to-end tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { InferenceServiceData } from '../../operator/src/api/inferenceservice.ts';
import type { Deployment, Observed, Pod } from '../../operator/src/api/kube.ts';
import { COLD_START_PHASES } from '../../operator/src/plan/cold-start.ts';
import { NAMESPACE, ROOT } from '../harness/cluster.ts';
import { apply, conditionOf, get, isvc, kubectl, ready, router } from '../harness/kubectl.ts';
import { eventually } from '../harness/load.ts';
import { FIXTURES } from '../harness/model-store.ts';
import type { Phases } from './cold-start-report.ts';

const MODEL = 'flowers';
const [FOLDER, FILE] = FIXTURES[MODEL].split('/');
const BY_HAND = 'by-hand';
const PORT = 8080;
/** Milliseconds between two looks at what is about to happen. */
const LOOK_MS = 20;

/** A request to the model, as JSON. */
export const QUESTION = JSON.stringify(
  JSON.parse(
    readFileSync(join(ROOT, 'predictor-runtime/test/models', FOLDER ?? '', 'golden.json'), 'utf8'),
  ).cases[0].request,
);

/** Returns the name of a service's first revision. */
export function revision(service: string): string {
  return `${service}-predictor-00001`;
}

/** Makes a service of the iris model of scikit-learn, and waits until it is ready. */
export async function makeService(
  name: string,
  { predictor = {}, annotations = {} }: { predictor?: object; annotations?: object },
): Promise<void> {
  const uri = `http://model-store.default/${MODEL}/${FILE}`;
  const made = isvc(name, predictor, { modelFormat: { name: 'sklearn' }, storageUri: uri });
  const { metadata } = made as { metadata: object };
  const window = { 'autoscaling.knative.dev/window': '6s' };
  await apply({ ...made, metadata: { ...metadata, annotations: { ...window, ...annotations } } });
  await ready(name);
}

/** Waits until a service has no pod and its requests are held. */
export async function idle(service: string): Promise<void> {
  await eventually(`${service} is idle`, async () => {
    const { status } = await get<InferenceServiceData>('isvc', service);
    return status && conditionOf(status, 'Ready')?.reason === 'Idle';
  });
}

/** Returns the seconds until a service's answer. @throws Error when it is not 200. */
export async function ask(service: string): Promise<number> {
  const startedAt = performance.now();
  const headers = { host: `${service}-default.example.com`, connection: 'close' };
  const url = `${router()}/v2/models/${service}/infer`;
  const status = await new Promise<number>((resolve, reject) => {
    const asked = request(url, { method: 'POST', headers }, (res) => {
      res.resume().on('end', () => resolve(res.statusCode ?? 0));
    });
    asked.on('error', reject);
    asked.end(QUESTION);
  });
  if (status !== 200) throw new Error(`${service} answers ${status}`);
  return (performance.now() - startedAt) / 1000;
}

/** Returns the parts of all cold starts that the operators have told of, the oldest first, by revision. */
export async function toldPhases(): Promise<Map<string, Phases[]>> {
  const selector = 'app.kubernetes.io/name=wherry-operator';
  const text = await kubectl('logs', '-n', NAMESPACE, '-l', selector, '--tail=-1');
  const lines = text
    .split('\n')
    .filter((line) => line.includes('"cold start"'))
    .map((line) => JSON.parse(line) as Phases & { revision: string; timestamp: string })
    .sort((a, b) => a.timestamp.localeCompare(b.timestamp));
  const phases = (line: Phases) =>
    Object.fromEntries(COLD_START_PHASES.map((phase) => [phase, line[phase]])) as Phases;
  return new Map(
    [...Map.groupBy(lines, (line) => line.revision)].map(([name, own]) => [name, own.map(phases)]),
  );
}

/** The API server, asked without a process for each request. */
export class ApiProxy {
  readonly #process: ChildProcess;
  readonly #url: string;

  private constructor(process: ChildProcess, url: string) {
    this.#process = process;
    this.#url = url;
  }

  static async start(): Promise<ApiProxy> {
    const process = spawn('kubectl', ['proxy', '--port=0'], { stdio: 'pipe' });
    for await (const chunk of process.stdout) {
      const [, address] = /serving on (\S+)/.exec(String(chunk)) ?? [];
      if (address !== undefined) return new ApiProxy(process, `http://${address}`);
    }
    throw new Error('kubectl proxy has ended');
  }

  stop(): void {
    this.#process.kill();
  }

  /** Returns the replicas that a Deployment asks for. */
  async replicas(name: string): Promise<number> {
    const scale = await this.#get<Deployment>(
      `/apis/apps/v1/namespaces/default/deployments/${name}`,
    );
    return scale.spec?.replicas ?? 1;
  }

  /** Makes a Deployment without pods that would have the same pod as a service's revision. */
  async makeByHand(service: string): Promise<void> {
    const { spec } = await get<Observed<Deployment>>('deployment', revision(service));
    const labels = { app: BY_HAND };
    await apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: BY_HAND },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: spec?.template.spec },
      },
    });
  }

  /** Starts the pod by hand. Returns the seconds until its own probe is ready, and ends it. */
  async startByHand(): Promise<number> {
    const startedAt = performance.now();
    await this.#scale(1);
    let pod: string | undefined;
    while (!(pod !== undefined && (await this.#isReady(pod)))) {
      if (performance.now() - startedAt > 60_000) throw new Error('the pod by hand is not ready');
      pod ??= await this.#pod();
      await sleep(LOOK_MS);
    }
    const seconds = (performance.now() - startedAt) / 1000;
    await this.#scale(0);
    return seconds;
  }

  async #scale(replicas: number): Promise<void> {
    const path = `/apis/apps/v1/namespaces/default/deployments/${BY_HAND}/scale`;
    const headers = { 'content-type': 'application/merge-patch+json' };
    const body = JSON.stringify({ spec: { replicas } });
    const reply = await fetch(this.#url + path, { method: 'PATCH', headers, body });
    if (!reply.ok) throw new Error(`not scaled by hand: ${await reply.text()}`);
  }

  /** The pod that is not being deleted. */
  async #pod(): Promise<string | undefined> {
    const path = `/api/v1/namespaces/default/pods?labelSelector=app%3D${BY_HAND}`;
    const { items } = await this.#get<{ items: Observed<Pod>[] }>(path);
    return items.find(({ metadata }) => metadata.deletionTimestamp === undefined)?.metadata.name;
  }

  async #isReady(pod: string): Promise<boolean> {
    const path = `/api/v1/namespaces/default/pods/${pod}:${PORT}/proxy/v2/health/ready`;
    const reply = await fetch(this.#url + path);
    await reply.arrayBuffer();
    return reply.ok;
  }

  async #get<T>(path: string): Promise<T> {
    const reply = await fetch(this.#url + path);
    if (!reply.ok) throw new Error(`${path}: ${await reply.text()}`);
    return (await reply.json()) as T;
  }
}
