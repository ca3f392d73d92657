/** The Deployment of a revision. It is created once: what runs under a revision's name never changes. */
import type { InferenceServiceData, ServingRuntimeData } from '../api/inferenceservice.ts';
import type { Deployment, KubeObject, Observed, PodTemplateSpec } from '../api/kube.ts';
import { ANNOTATIONS, appLabel, LABELS, ownedLabels } from '../api/names.ts';
import { type Component, hash } from './component.ts';
import { owner } from './owner.ts';
import { limitAnnotations } from './request-limit.ts';
import type { Revision } from './revision.ts';
import { pinAnnotations } from './runtime-pin.ts';

/** Options of `deployment`. */
export interface DeploymentOptions {
  readonly component: Component;
  readonly runtime?: ServingRuntimeData;
  readonly revision: string;
  readonly template: PodTemplateSpec;
  /** Pods at the start; later the scale subresource decides. */
  readonly replicas: number;
}

/** Builds the Deployment of a new revision. */
export function deployment(options: DeploymentOptions): Observed<Deployment> {
  const { component, runtime, revision, template, replicas } = options;
  const { metadata } = component.isvc;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name: revision,
      namespace: metadata.namespace,
      labels: {
        ...component.labels,
        ...ownedLabels(metadata.name, component.name),
        [LABELS.app]: appLabel(revision),
        [LABELS.revision]: revision,
      },
      annotations: {
        [ANNOTATIONS.specHash]: component.specHash,
        [ANNOTATIONS.templateHash]: hash(template),
        ...(runtime === undefined ? {} : pinAnnotations(runtime)),
        ...limitAnnotations(component, runtime),
      },
      ownerReferences: [owner(component.isvc)],
    },
    spec: {
      replicas,
      selector: { matchLabels: { [LABELS.app]: appLabel(revision) } },
      template,
      strategy: component.isRecreated
        ? { type: 'Recreate' }
        : { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: 0 } },
      revisionHistoryLimit: 1,
    },
  } as Observed<Deployment> & KubeObject;
}

/** An existing revision's Deployment with the replicas that it is to have: all of it that may change. */
export function scaledDeployment(
  parent: InferenceServiceData,
  { name, ref }: Revision,
  replicas: number,
): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: ref.namespace, ownerReferences: [owner(parent)] },
    spec: { replicas },
  } as KubeObject;
}
