/** Models for a test to load in the cluster, at http://model-store.default/NAME/ and any name of a file. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NAMESPACE, ROOT } from './cluster.ts';
import { apply, get, kubectl } from './kubectl.ts';

export const FIXTURES = {
  good: 'add_two/model.onnx',
  corrupt: 'bad_corrupt/model.onnx',
  truncated: 'bad_truncated/model.onnx',
  trees: 'xgb_iris_softprob/model.json',
  leaves: 'lgb_iris_multiclass/model.txt',
  flowers: 'sklearn_iris_logreg/model.joblib',
} as const;

/** The path of a fixture's model on this machine. */
export function modelFile(name: keyof typeof FIXTURES): string {
  return join(ROOT, 'predictor-runtime/test/models', FIXTURES[name]);
}

/** An image with Node and a shell that the cluster has. */
export async function toolImage(): Promise<string> {
  const { spec } = await get<{
    spec: { template: { spec: { containers: { image: string }[] } } };
  }>('deployment', 'wherry-operator', '-n', NAMESPACE);
  return spec.template.spec.containers[0]?.image ?? '';
}

/** A manifest beside the tests, with the tool image put in. */
export async function manifest(path: string): Promise<string> {
  const text = readFileSync(join(ROOT, 'e2e', path), 'utf8');
  return text.replaceAll('image: IMAGE', `image: ${await toolImage()}`);
}

export async function startModelStore(): Promise<void> {
  const names = Object.keys(FIXTURES) as (keyof typeof FIXTURES)[];
  const binaryData = Object.fromEntries(
    names.map((name) => [name, readFileSync(modelFile(name)).toString('base64')]),
  );
  await apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'models' }, binaryData });
  await apply(await manifest('harness/model-store.yaml'));
  await kubectl('wait', '--for=condition=Ready', 'pod/model-store', '--timeout=60s');
}

export async function stopModelStore(): Promise<void> {
  await kubectl('delete', 'pod/model-store', 'svc/model-store', 'cm/models', '--ignore-not-found');
}
