/**
 * Stand-ins: pods of a warm pool that serve a revision until a pod of its own is ready.
 *
 *   free             claimed          stands in            ended
 *   label pool   →   + claimed    →   − pool, + revision →  own pod ready, or no pod wanted
 */
import { isDeepStrictEqual } from 'node:util';
import { isKind } from '../api/kinds.ts';
import type { Container, KubeObject, Observed, Pod, PodSpec } from '../api/kube.ts';
import { KSERVE_CONTAINER, LABELS } from '../api/names.ts';
import { quantityValue } from './quantity.ts';
import { isPodReady } from './revision.ts';
import { POD_UID } from './warm-pool.ts';

/** Seconds after which a claimed pod that stands in for nobody is given up: whoever claimed it is gone. */
export const CLAIM_SECONDS = 180;

/** Fields of a pod that may differ between a pool and a revision: they are compared otherwise, or decide nothing. */
const OF_POD = new Set<string>(['containers', 'terminationGracePeriodSeconds']);
/** Fields of a container that may: its arguments come with the assignment, and probes count for seconds alone. */
const OF_CONTAINER = new Set<string>([
  ...['args', 'env', 'resources', 'readinessProbe', 'livenessProbe', 'startupProbe'],
]);
/** Variables that differ by nature, and that no server reads. */
const OWN_VARIABLES = new Set(['INFERENCE_SERVICE_NAME', POD_UID]);

/** Says whether a pod of a pool may be taken for a revision: nobody has, its process is up and it stays. */
export function isFree({ metadata, status }: Observed<Pod>): boolean {
  const { labels = {}, deletionTimestamp } = metadata;
  const isClaimed = labels[LABELS.pool] === undefined || labels[LABELS.claimed] !== undefined;
  return !isClaimed && deletionTimestamp === undefined && isPodReady({ status });
}

/** Says whether a pod of a revision came from a pool. */
export function isStandIn({ metadata }: KubeObject): boolean {
  const { labels = {} } = metadata;
  return labels[LABELS.claimed] !== undefined && labels[LABELS.revision] !== undefined;
}

/**
 * Returns why the pods of a pool cannot do what those of a revision do; undefined when they can. Both are as the API
 * server stores them.
 */
export function whyUnfit(revision: PodSpec, pool: PodSpec): string | undefined {
  const [own, theirs] = [servingContainer(revision), servingContainer(pool)];
  if (own === undefined || theirs === undefined || revision.containers.length > 1) {
    return 'its pods have other containers';
  }
  const field = differing(revision, pool, OF_POD) ?? differing(own, theirs, OF_CONTAINER);
  if (field !== undefined) return `its pods differ in ${field}`;
  if (!isDeepStrictEqual(variables(own), variables(theirs))) return 'its pods differ in env';
  if (own.args?.some((arg) => arg.replaceAll('$$', '').includes('$('))) {
    return 'its arguments take variables';
  }
  const [grace, poolGrace] = [revision, pool].map((pod) => pod.terminationGracePeriodSeconds ?? 30);
  if (Number(grace) > Number(poolGrace)) return 'its pods may take longer to end';
  const resource = scarceResource(own.resources, theirs.resources);
  return resource && `the pool's pods have less ${resource}`;
}

/** Returns the arguments that the server of a revision's own pods is started with. */
export function serverArguments(revision: PodSpec): string[] {
  // As the kubelet does.
  return (servingContainer(revision)?.args ?? []).map((arg) => arg.replaceAll('$$', '$'));
}

/**
 * Returns the stand-ins of a service that are to end: the revision's own pods are ready, it is to have none, or the
 * process was started again, which has no model. @param deployments all that are planned, with their replicas
 */
export function endedStandIns(
  pods: readonly Observed<Pod>[],
  deployments: readonly KubeObject[],
): Observed<Pod>[] {
  const revisionOf = ({ metadata }: KubeObject) => metadata.labels?.[LABELS.revision];
  const isWanted = (name: string | undefined) =>
    deployments.some(
      (each) =>
        isKind('Deployment', each) && each.metadata.name === name && each.spec?.replicas !== 0,
    );
  return pods.filter(isStandIn).filter((pod) => {
    const name = revisionOf(pod);
    const isServed = pods.some(
      (other) => revisionOf(other) === name && !isStandIn(other) && isPodReady(other),
    );
    return isServed || !isWanted(name) || hasStartedAgain(pod);
  });
}

/**
 * Returns those of a pool's pods that were claimed and are given up, and the time in milliseconds of the next look at
 * the others; undefined when there are none. @param now milliseconds
 */
export function staleClaims(
  pods: readonly Observed<Pod>[],
  now: number,
): { readonly stale: Observed<Pod>[]; readonly nextLook?: number } {
  const claimed = pods
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .flatMap((pod) => {
      const seconds = Number(pod.metadata.labels?.[LABELS.claimed] ?? Number.NaN);
      return Number.isNaN(seconds) ? [] : [{ pod, until: (seconds + CLAIM_SECONDS) * 1000 }];
    });
  const later = claimed.filter(({ until }) => until > now).map(({ until }) => until);
  return {
    stale: claimed.filter(({ until }) => until <= now).map(({ pod }) => pod),
    ...(later.length === 0 ? {} : { nextLook: Math.min(...later) }),
  };
}

function hasStartedAgain({ status }: Observed<Pod>): boolean {
  const hasEnded = status?.phase === 'Failed' || status?.phase === 'Succeeded';
  return hasEnded || (status?.containerStatuses ?? []).some(({ restartCount }) => restartCount > 0);
}

function servingContainer({ containers }: PodSpec): Container | undefined {
  return containers.find(({ name }) => name === KSERVE_CONTAINER);
}

/** Returns the first field, beside some, that two objects do not have in common. */
function differing(a: object, b: object, except: ReadonlySet<string>): string | undefined {
  const [ofA, ofB] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
  return [...new Set([...ofA.keys(), ...ofB.keys()])]
    .sort()
    .find((field) => !except.has(field) && !isDeepStrictEqual(ofA.get(field), ofB.get(field)));
}

function variables({ env = [] }: Container): Map<string, unknown> {
  return new Map(
    env.filter(({ name }) => !OWN_VARIABLES.has(name)).map((each) => [each.name, each]),
  );
}

/** Returns a resource of which the pool's pods are sure of less than a revision's, or may have less. */
function scarceResource(
  own: Container['resources'] = {},
  theirs: Container['resources'] = {},
): string | undefined {
  const value = (quantity: string | number | undefined, absent: number) =>
    quantity === undefined ? absent : quantityValue(String(quantity));
  const requested = Object.entries(own.requests ?? {}).find(
    ([name, asked]) => value(theirs.requests?.[name], 0) < value(asked, 0),
  );
  const limited = Object.entries(theirs.limits ?? {}).find(
    ([name, most]) => value(most, 0) < value(own.limits?.[name], Number.POSITIVE_INFINITY),
  );
  return (requested ?? limited)?.[0];
}
