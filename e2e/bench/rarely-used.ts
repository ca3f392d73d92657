/**
 * `npm run bench -- rarely-used`: hundreds of services, most of them without pods, and requests at random, through a
 * real router on a real cluster. It is no race: it shows that each request is answered, that no pod stays beyond its
 * time, and that the operator's memory does not grow.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { NAMESPACE, onCluster } from '../harness/cluster.ts';
import { apply, get, infer, isvc, kubectl } from '../harness/kubectl.ts';
import { eventually } from '../harness/load.ts';
import { failures, type Observation, summary, type Visit } from './rarely-used-report.ts';

const HELP = `npm run bench -- rarely-used [--services N] [--minutes N] [--rate N] [--json FILE]

Makes services that have no pods after ten seconds without a request, and sends requests to them at random times: a
few services have most of them. Ends with 1 when a request fails, a pod stays beyond its time or the operator grows.
  --services N   how many services (300)
  --minutes N    how long requests come (10)
  --rate N       requests a second to all services together (0.7)
  --json FILE    write all that was seen`;

const WINDOW_SECONDS = 10;
/** Pods that start at once while the services are made: the node has two cores. */
const STARTING = 12;
const LOOK_MS = 2000;
const METRICS = `/api/v1/namespaces/${NAMESPACE}/services/wherry-operator-metrics:9090/proxy/metrics`;
const SELECTOR = 'serving.kserve.io/inferenceservice';

interface PodList {
  readonly items: readonly {
    readonly metadata: {
      readonly labels: Record<string, string>;
      readonly deletionTimestamp?: string;
    };
  }[];
}

/** Runs it. @throws Error with all that was not as it should be */
export async function benchRarelyUsed(args: string[]): Promise<void> {
  const { values: flags } = parseArgs({
    args,
    options: {
      services: { type: 'string', default: '300' },
      minutes: { type: 'string', default: '10' },
      rate: { type: 'string', default: '0.7' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (flags.help) return console.log(HELP);
  const names = Array.from({ length: Number(flags.services) }, (_, i) => `seldom-${i}`);
  const seconds = 60 * Number(flags.minutes);
  const observation = await onCluster(async () => {
    await make(names);
    return watchAll(names, { seconds, rate: Number(flags.rate) });
  });
  const terms = { windowSeconds: WINDOW_SECONDS };
  console.log(summary(observation, terms));
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(observation)}\n`);
  const wrong = failures(observation, terms);
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
}

/** Makes the services a few at a time, and waits until none has a pod. */
async function make(names: readonly string[]): Promise<void> {
  for (let made = 0; made < names.length; made += STARTING) {
    await eventually(
      'there is room for more pods',
      async () => (await pods()).length < STARTING,
      120,
    );
    const items = names.slice(made, made + STARTING).map(seldom);
    await apply({ apiVersion: 'v1', kind: 'List', items });
    process.stderr.write(`${made + items.length} of ${names.length} services\n`);
  }
  const isIdle = async () => {
    const { items } = await get<{ items: { status?: { conditions?: object[] } }[] }>('isvc');
    const idle = items.filter(({ status }) => JSON.stringify(status ?? {}).includes('"Idle"'));
    return idle.length >= names.length && (await pods()).length === 0;
  };
  await eventually('all of them are idle', isIdle, 300);
}

function seldom(name: string): object {
  const predictor = { minReplicas: 0, maxReplicas: 2 };
  const requests = { cpu: '10m', memory: '64Mi' };
  const service = isvc(name, predictor, { resources: { requests } }) as { metadata: object };
  const annotations = { 'autoscaling.knative.dev/window': `${WINDOW_SECONDS}s` };
  return { ...service, metadata: { ...service.metadata, annotations } };
}

/** Sends requests and looks at the pods and the operator meanwhile, and until the last pod has gone. */
async function watchAll(
  names: readonly string[],
  { seconds, rate }: { readonly seconds: number; readonly rate: number },
): Promise<Observation> {
  const startedAt = Date.now();
  const visits: Visit[] = [];
  const looks: { at: number; pods: Record<string, number> }[] = [];
  const rss: { at: number; bytes: number }[] = [];
  const pending: Promise<void>[] = [];
  let isEnded = false;
  const looking = (async () => {
    for (let i = 0; !isEnded; i++) {
      looks.push({ at: Date.now(), pods: count(await pods()) });
      if (i % 5 === 0) rss.push({ at: Date.now(), bytes: await operatorRss() });
      await sleep(LOOK_MS);
    }
  })();
  while (Date.now() - startedAt < 1000 * seconds) {
    await sleep((-1000 * Math.log(1 - Math.random())) / rate);
    pending.push(visit(pick(names)).then((one) => void visits.push(one)));
  }
  await Promise.all(pending);
  await eventually('the last pod has gone', async () => (await pods()).length === 0, 120);
  isEnded = true;
  await looking;
  return { services: names.length, visits, looks, rss };
}

/** Picks a service by Zipf's law: the second has half of the first one's requests, the third a third. */
function pick(names: readonly string[]): string {
  const weights = names.map((_, i) => 1 / (i + 1));
  let left = Math.random() * weights.reduce((sum, weight) => sum + weight, 0);
  const index = weights.findIndex((weight) => {
    left -= weight;
    return left < 0;
  });
  return names[index] ?? (names[0] as string);
}

async function visit(service: string): Promise<Visit> {
  const from = Date.now();
  const status = await infer(service).then(
    (answer) => answer.status,
    () => 0,
  );
  return { service, from, to: Date.now(), status };
}

async function pods(): Promise<PodList['items']> {
  const { items } = await get<PodList>('pods', '-l', SELECTOR);
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

function count(items: PodList['items']): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { metadata } of items) {
    const service = metadata.labels[SELECTOR] ?? '';
    counts[service] = (counts[service] ?? 0) + 1;
  }
  return counts;
}

async function operatorRss(): Promise<number> {
  const text = await kubectl('get', '--raw', METRICS);
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
}
