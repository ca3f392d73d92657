/**
 * The controllers of runtimes tell who edits one what becomes of the services that use it: nothing, until their next
 * change. One event on the runtime costs the same whatever the number of its services.
 */
import type { Lister, ObjectEvent, Writer } from '../api/cluster.ts';
import type { ServingRuntimeData } from '../api/inferenceservice.ts';
import { type KubeObject, keyOf } from '../api/kube.ts';
import { isPinOfOlder, runtimeHash, runtimePin } from '../plan/runtime-pin.ts';
import type { Controller } from './controller.ts';

/** Kinds of runtimes; those of a namespace serve its services alone. */
export const KINDS_OF_RUNTIMES = ['ServingRuntime', 'ClusterServingRuntime'] as const;

/** Everything that the controllers of runtimes read from and write to. */
export interface ServingRuntimeControllersOptions {
  readonly lister: Lister;
  readonly writer: Pick<Writer, 'event'>;
}

/** Returns a controller for each kind of runtime. */
export function servingRuntimeControllers(options: ServingRuntimeControllersOptions): Controller[] {
  return KINDS_OF_RUNTIMES.map((kind) => servingRuntimeController(kind, options));
}

function servingRuntimeController(
  kind: (typeof KINDS_OF_RUNTIMES)[number],
  { lister, writer }: ServingRuntimeControllersOptions,
): Controller {
  /** Hash of each runtime as it was last seen, by key: only an edit that was seen is told. */
  const seen = new Map<string, string>();
  return {
    kind,
    triggers: (change) => (change.kind === kind ? [keyOf(change.object)] : []),
    async reconcile(key) {
      const runtime = lister.get(kind, key);
      if (runtime === undefined) {
        seen.delete(key);
        return {};
      }
      const before = seen.get(key);
      const hash = runtimeHash(runtime);
      if (before !== undefined && before !== hash) {
        const event = editEvent(servicesOfOlder(runtime, lister));
        if (event !== undefined) await writer.event(runtime, event);
      }
      seen.set(key, hash);
      return {};
    },
  };
}

/** Returns the number of services whose newest revision that has served pins the runtime as it was before. */
function servicesOfOlder(runtime: ServingRuntimeData, lister: Lister): number {
  const { namespace } = runtime.metadata;
  return lister.list('InferenceService', namespace).filter(({ metadata, status }) => {
    const name = status?.components?.predictor?.latestReadyRevision;
    const deployment: KubeObject | undefined =
      name === undefined ? undefined : lister.get('Deployment', `${metadata.namespace}/${name}`);
    return isPinOfOlder(runtimePin(deployment), runtime);
  }).length;
}

function editEvent(services: number): ObjectEvent | undefined {
  if (services === 0) return undefined;
  const who = services === 1 ? '1 InferenceService runs' : `${services} InferenceServices run`;
  return {
    type: 'Normal',
    reason: 'RuntimeEdited',
    message: `${who} what this runtime was before it was edited; the next change of a service's spec takes the edit up`,
  };
}
