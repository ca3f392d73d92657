/** Keeps most pods of a component while nodes are drained. One that has a single pod has nothing to keep. */
import type { KubeObject } from '../api/kube.ts';
import { ANNOTATIONS, LABELS, ownedLabels } from '../api/names.ts';
import type { Component } from './component.ts';
import { owner } from './owner.ts';

/** Returns the PodDisruptionBudget of a component that may have several pods, of all its revisions together. */
export function disruptionBudgets(component: Component): KubeObject[] {
  const { isvc, name, bounds, autoscaling } = component;
  const isUsers = isvc.metadata.annotations?.[ANNOTATIONS.disruptionBudget] === 'none';
  if (isUsers || (bounds.max < 2 && autoscaling.class !== 'external')) return [];
  const { name: service, namespace } = isvc.metadata;
  const budget = {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: {
      name: `${service}-${name}-pods`,
      namespace,
      labels: ownedLabels(service, name),
      ownerReferences: [owner(isvc)],
    },
    spec: {
      // Kubernetes rounds up: of a few pods one may go.
      maxUnavailable: '25%',
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: {
        matchLabels: { [LABELS.inferenceService]: service, [LABELS.component]: name },
      },
    },
  };
  return [budget as KubeObject];
}
