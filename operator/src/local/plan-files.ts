/** Runs the command `plan -f`: YAML in, YAML out, through the very planner that runs on the cluster. */
import { readFileSync } from 'node:fs';
import { dump, loadAll } from 'js-yaml';
import { DEFAULT_CONFIG } from '../api/config.ts';
import {
  ClusterServingRuntime,
  InferenceService,
  type InferenceServiceData,
  ServingRuntime,
  type ServingRuntimeData,
} from '../api/inferenceservice.ts';
import type { KubeObject } from '../api/kube.ts';
import { plan } from '../plan/plan.ts';
import { chartAdmission } from './admission.ts';
import { ANY_ACCOUNT } from './memory-cluster.ts';

const RUNTIME = new URL('../../../charts/wherry/files/runtime.yaml', import.meta.url);

/**
 * Returns the plans of the files' InferenceServices on an empty cluster that has Wherry's runtime, as YAML, once they
 * have passed the checks of the API server.
 * @param now time that statuses are written with, in RFC 3339
 * @throws Error when a file cannot be read or is no YAML, or an object in it would be refused
 */
export function planFiles(files: readonly string[], now: string): string {
  const ofUser = files.flatMap(objectsIn);
  const admission = chartAdmission();
  const problems = ofUser.flatMap((object) =>
    admission.problems(object).map((text) => `${object.kind} ${object.metadata?.name}: ${text}`),
  );
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const objects = [...objectsIn(RUNTIME), ...ofUser];
  const runtimes = objects.filter(ServingRuntime.is) as ServingRuntimeData[];
  const clusterRuntimes = objects.filter(ClusterServingRuntime.is) as ServingRuntimeData[];
  const services = objects.filter(InferenceService.is) as InferenceServiceData[];
  const plans = services.map((parent) => {
    const metadata = { namespace: 'default', uid: '', generation: 1, ...parent.metadata };
    return plan({
      parent: { ...parent, metadata },
      children: [],
      pods: [],
      related: {
        ...{ runtimes, clusterRuntimes, routerAddresses: [], absentKinds: [] },
        routerCount: 0,
        serviceAccount: ANY_ACCOUNT,
      },
      routing: {},
      desired: [],
      config: DEFAULT_CONFIG,
      now,
    });
  });
  return plans
    .flatMap(({ children, status }) => [...children, { status }])
    .map((object) => dump(JSON.parse(JSON.stringify(object)), { noRefs: true }))
    .join('---\n');
}

function objectsIn(file: string | URL): KubeObject[] {
  const documents = loadAll(readFileSync(file, 'utf8')) as (KubeObject | null)[];
  return documents.filter((document) => document !== null);
}
