/**
 * Scalers of the cluster that Wherry makes in place of its own autoscaler: one for each revision that is to have
 * pods. It follows that revision's Deployment, within the bounds that the revision needs for its share.
 */
import type { KubeObject } from '../api/kube.ts';
import type { AutoscalerClass } from './autoscale/settings.ts';
import { horizontalPodAutoscaler } from './horizontal-pod-autoscaler.ts';
import type { ScaledRevision } from './scaled-revision.ts';

type Builder = (scaled: ScaledRevision) => KubeObject;

/** Builders by autoscaler class; the other classes have no scaler of the cluster. */
const BUILDERS: Readonly<Partial<Record<AutoscalerClass, Builder>>> = {
  hpa: horizontalPodAutoscaler,
};

/** Returns the scaler of a revision, or nothing where the class asks for none. */
export function scalers(scaled: ScaledRevision): KubeObject[] {
  const build = BUILDERS[scaled.component.autoscaling.class];
  return build === undefined ? [] : [build(scaled)];
}
