/** A revision pins its runtime: what the runtime was when the revision was made is written on the Deployment. */
import type { ServingRuntimeData } from '../api/inferenceservice.ts';
import type { KubeObject } from '../api/kube.ts';
import { ANNOTATIONS } from '../api/names.ts';
import { hash } from './component.ts';
import { memoByObject } from './memo.ts';

/** A runtime as a Deployment names it. */
export interface RuntimePin {
  readonly kind: ServingRuntimeData['kind'];
  readonly name: string;
  /** Hash of the runtime's spec when the revision was made. */
  readonly hash: string | undefined;
}

/** Returns a hash of what a runtime's pods are made from. */
export const runtimeHash = memoByObject((runtime: ServingRuntimeData): string =>
  hash(runtime.spec),
);

/** Returns the annotations by which a Deployment pins a runtime. */
export function pinAnnotations(runtime: ServingRuntimeData): Record<string, string> {
  return {
    [ANNOTATIONS.runtime]: `${runtime.kind}/${runtime.metadata.name}`,
    [ANNOTATIONS.runtimeHash]: runtimeHash(runtime),
  };
}

/** Returns the runtime that a Deployment has pinned; undefined when its pods are of no runtime. */
export function runtimePin(deployment: KubeObject | undefined): RuntimePin | undefined {
  const annotations = deployment?.metadata.annotations;
  const [kind, name] = annotations?.[ANNOTATIONS.runtime]?.split('/') ?? [];
  if (name === undefined) return undefined;
  return {
    kind: kind as RuntimePin['kind'],
    name,
    hash: annotations?.[ANNOTATIONS.runtimeHash],
  };
}

/** Says whether a pin is of this runtime, as it was before an edit. */
export function isPinOfOlder(pin: RuntimePin | undefined, runtime: ServingRuntimeData): boolean {
  return (
    pin?.hash !== undefined &&
    pin.kind === runtime.kind &&
    pin.name === runtime.metadata.name &&
    pin.hash !== runtimeHash(runtime)
  );
}
