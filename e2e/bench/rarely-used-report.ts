/** What the bench of rarely used services has seen, and what of it is not as it should be. Pure. */
import { percentile } from './cold-start-report.ts';
import { median } from './report.ts';

/** One request. Times are in milliseconds since 1970. */
export interface Visit {
  readonly service: string;
  readonly from: number;
  readonly to: number;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
}

/** All that was seen. Times are in milliseconds since 1970. */
export interface Observation {
  readonly services: number;
  readonly visits: readonly Visit[];
  /** Number of pods that are not about to end, by service. */
  readonly looks: readonly {
    readonly at: number;
    readonly pods: Readonly<Record<string, number>>;
  }[];
  /** Resident memory of the operator. */
  readonly rss: readonly { readonly at: number; readonly bytes: number }[];
}

/** What the services were made with. */
export interface Terms {
  readonly windowSeconds: number;
}

/**
 * Seconds beyond the window in which a pod may be seen: a report, a decision, the confirmation of the routers, the
 * writes of Kubernetes and the time between two looks.
 */
const GRACE_SECONDS = 15;
/** Most that the operator's memory may be in the last third of the time, as a share of the second. */
const GROWTH = 1.1;

/** Returns what was seen in a few lines. */
export function summary(observation: Observation, terms: Terms): string {
  const { services, visits, looks, rss } = observation;
  const ms = visits.map(({ from, to }) => to - from);
  const cold = coldVisits(observation);
  const busy = median(looks.map(({ pods }) => Object.keys(pods).length));
  const [second, last] = thirds(rss);
  return [
    `${services} services, ${visits.length} requests, ${cold} of them to a service without pods`,
    `failed: ${visits.filter(isFailed).length}`,
    `answered in: p50 ${percentile(ms, 0.5)} ms, p95 ${percentile(ms, 0.95)} ms, p99 ${percentile(ms, 0.99)} ms`,
    `services with pods at once: median ${busy}`,
    `longest stay of a pod without a request: ${Math.round(longestStay(observation))} s of ${terms.windowSeconds} s`,
    `operator: ${megabytes(second)} MB in the second third of the time, ${megabytes(last)} MB in the last`,
  ].join('\n');
}

/** Returns what is not as it should be. */
export function failures(observation: Observation, { windowSeconds }: Terms): string[] {
  const failed = observation.visits
    .filter(isFailed)
    .map(({ status, service }) => `${service}: ${status}`);
  const stay = longestStay(observation);
  const [second, last] = thirds(observation.rss);
  return [
    ...failed,
    ...(stay > windowSeconds + GRACE_SECONDS ? [`a pod stayed ${Math.round(stay)} s`] : []),
    ...(last > GROWTH * second
      ? [`the operator grew from ${megabytes(second)} to ${megabytes(last)} MB`]
      : []),
  ];
}

function isFailed({ status }: Visit): boolean {
  return status !== 200;
}

/** Counts the requests before which a look saw no pod of their service. */
function coldVisits({ visits, looks }: Observation): number {
  return visits.filter(({ service, from }) => {
    const before = looks.findLast((look) => look.at <= from);
    return before !== undefined && before.pods[service] === undefined;
  }).length;
}

/** Returns the seconds from the end of a service's last request until it was last seen with a pod, at most. */
function longestStay({ visits, looks }: Observation): number {
  const stays = looks.flatMap((look) =>
    Object.keys(look.pods).map((service) => {
      const own = visits.filter((visit) => visit.service === service && visit.from <= look.at);
      const end = Math.max(...own.map(({ to }) => to), Number.NEGATIVE_INFINITY);
      return (look.at - end) / 1000;
    }),
  );
  return Math.max(0, ...stays);
}

function thirds(rss: Observation['rss']): [number, number] {
  const third = Math.floor(rss.length / 3);
  const part = (from: number) => median(rss.slice(from, from + third).map(({ bytes }) => bytes));
  return [part(third), part(2 * third)];
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
