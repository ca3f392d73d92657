/** Strategic merge of the parts of a pod: the runtime's below, the InferenceService's on top. */
import type { Container, PodSpec } from '../api/kube.ts';

type Keyed = Record<string, unknown>;

/** Lists that Kubernetes merges by a key of their items; every other list is replaced. */
const MERGE_KEYS: Record<string, string> = {
  containers: 'name',
  initContainers: 'name',
  env: 'name',
  imagePullSecrets: 'name',
  volumeMounts: 'mountPath',
  volumeDevices: 'devicePath',
  ports: 'containerPort',
  resourceClaims: 'name',
};

/** Lists that are joined: the user's arguments come last and so win. KServe: MergeRuntimeContainers. */
const JOINED = new Set(['args', 'tolerations', 'topologySpreadConstraints', 'envFrom']);

/**
 * Objects of which one field says what is done, such as `httpGet` of a probe: the API server takes no two. One that
 * the user writes with such a field replaces the runtime's.
 */
const ALTERNATIVES: Record<string, readonly string[]> = {
  livenessProbe: ['exec', 'grpc', 'httpGet', 'tcpSocket'],
  readinessProbe: ['exec', 'grpc', 'httpGet', 'tcpSocket'],
  startupProbe: ['exec', 'grpc', 'httpGet', 'tcpSocket'],
  preStop: ['exec', 'httpGet', 'sleep', 'tcpSocket'],
  postStart: ['exec', 'httpGet', 'sleep', 'tcpSocket'],
};

/** Puts `patch` over `base`, field by field; fields that are undefined in `patch` keep the base's value. */
export function merge<T>(base: T, patch: Partial<T>): T {
  const result: Keyed = { ...(base as Keyed) };
  for (const [key, value] of Object.entries(patch)) {
    if (value !== undefined) result[key] = mergeField(key, result[key], value);
  }
  return result as T;
}

function mergeField(key: string, base: unknown, patch: unknown): unknown {
  if (Array.isArray(base) && Array.isArray(patch)) {
    const mergeKey = MERGE_KEYS[key];
    if (key === 'volumes') return mergeLists(base, patch, 'name', mergeVolume);
    if (mergeKey !== undefined) return mergeLists(base, patch, mergeKey);
    return JOINED.has(key) ? [...base, ...patch] : patch;
  }
  if (!isObject(base) || !isObject(patch)) return patch;
  const isReplaced = ALTERNATIVES[key]?.some((field) => field in patch);
  return isReplaced ? patch : merge(base, patch);
}

function mergeLists(
  base: Keyed[],
  patch: Keyed[],
  mergeKey: string,
  mergeTwo = mergeItem,
): Keyed[] {
  const merged = base.map((item) => {
    const over = patch.find((candidate) => candidate[mergeKey] === item[mergeKey]);
    return over === undefined ? item : mergeTwo(item, over);
  });
  const added = patch.filter((item) => !base.some((b) => b[mergeKey] === item[mergeKey]));
  return [...merged, ...added];
}

/** Merges two volumes of one name, which have one source each: another source replaces that of the base. */
function mergeVolume(base: Keyed, patch: Keyed): Keyed {
  return Object.keys(patch).every((field) => field in base) ? merge(base, patch) : patch;
}

/**
 * Merges two items of a list. The fields `value` and `valueFrom` of an environment variable exclude each
 * other: the patch's kind wins.
 */
function mergeItem(base: Keyed, patch: Keyed): Keyed {
  const { value, valueFrom, ...rest } = base;
  const replaced = 'value' in patch || 'valueFrom' in patch;
  return merge(replaced ? rest : base, patch);
}

function isObject(value: unknown): value is Keyed {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Puts `container` over the one of its name in a pod. */
export function mergeContainer(
  pod: PodSpec,
  container: Partial<Container> & { name: string },
): PodSpec {
  return merge(pod, { containers: [container as Container] });
}
