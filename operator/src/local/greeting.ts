/** Tells the person at the terminal where a service answers, once it does, and how its traffic moves. */
import { isDeepStrictEqual } from 'node:util';
import { condition } from '../api/conditions.ts';
import type { InferenceServiceData, ScaleChange } from '../api/inferenceservice.ts';
import { keyOf } from '../api/kube.ts';

/** The metadata of a model's input as the V2 protocol has it; -1 in `shape` is a free dimension. */
interface TensorMetadata {
  name: string;
  datatype: string;
  shape: number[];
}

/**
 * Makes a listener for changes of InferenceServices that prints what is new: how ready they are, their traffic, and
 * why they have more or fewer processes.
 */
export function greeting(print: (text: string) => void): (isvc: InferenceServiceData) => void {
  const told = new Map<string, string>();
  const scaled = new Map<string, readonly ScaleChange[]>();
  return (isvc) => {
    const key = keyOf(isvc);
    const { scaleChanges = [] } = isvc.status?.components?.predictor ?? {};
    for (const change of scaleChanges) {
      if (scaled.get(key)?.some((before) => isDeepStrictEqual(before, change))) continue;
      print(`${key}: ${change.revisionName}: ${change.message}`);
    }
    scaled.set(key, scaleChanges);
    const ready = condition(isvc.status?.conditions, 'Ready');
    const text = ready?.status === 'True' ? trafficLine(isvc) : problemLine(ready);
    if (text === undefined || told.get(key) === text) return;
    const first = !told.has(key) || ready?.status !== 'True';
    told.set(key, text);
    print(`${key}: ${text}`);
    if (first && ready?.status === 'True') void printUsage(isvc, print);
  };
}

function trafficLine(isvc: InferenceServiceData): string {
  if (condition(isvc.status?.conditions, 'Ready')?.reason === 'Idle') {
    return 'idle, the next request starts a pod';
  }
  const targets = isvc.status?.components?.predictor?.traffic ?? [];
  return `ready, ${targets.map((t) => `${t.percent} % to ${t.revisionName}`).join(', ')}`;
}

function problemLine(ready: ReturnType<typeof condition>): string | undefined {
  return ready?.status === 'False' ? `not ready, ${ready.reason}: ${ready.message}` : undefined;
}

async function printUsage(
  isvc: InferenceServiceData,
  print: (text: string) => void,
): Promise<void> {
  const { name, namespace } = isvc.metadata;
  const url = isvc.status?.url ?? '';
  const port = new URL(url).port;
  const byPath = `http://localhost:${port}/serving/${namespace}/${name}`;
  const response = await fetch(`${byPath}/v2/models/${name}`).catch(() => undefined);
  const inputs = response?.ok
    ? ((await response.json()) as { inputs: TensorMetadata[] }).inputs
    : [];
  print(`  ${url}/v2/models/${name}/infer\n  ${byPath}/v2/models/${name}/infer`);
  if (inputs.length === 0) return;
  const body = JSON.stringify({ inputs: inputs.map(example) });
  print(`  try: curl -s ${url}/v2/models/${name}/infer -d '${body}'`);
}

/**
 * Makes a smallest tensor of the right kind for a request: free dimensions are 1, and at most 4096 elements
 * are given.
 */
function example({ name, datatype, shape }: TensorMetadata): object {
  const concrete = shape.map((dim) => (dim === -1 ? 1 : dim));
  const count = Math.min(
    4096,
    concrete.reduce((product, dim) => product * dim, 1),
  );
  const element = datatype === 'BYTES' ? 'text' : datatype === 'BOOL' ? true : 1;
  return { name, datatype, shape: concrete, data: new Array(count).fill(element) };
}
