/** The pod of a revision: runtime ⊕ InferenceService, storage, accelerator, defaults. */
import type { OperatorConfig } from '../api/config.ts';
import type { ServingRuntimeData } from '../api/inferenceservice.ts';
import type { Container, Observed, PodSpec, PodTemplateSpec, ServiceAccount } from '../api/kube.ts';
import { appLabel, DEFAULT_PORT, KSERVE_CONTAINER, LABELS, ownedLabels } from '../api/names.ts';
import { withAccelerator } from './accelerator.ts';
import type { Component } from './component.ts';
import { componentFields, containerFields } from './fields.ts';
import { ok, problem, type Result } from './input.ts';
import { merge, mergeContainer } from './merge.ts';
import { storageUri, withStorage } from './storage.ts';
import { renderTemplates, TemplateError } from './template.ts';

/** Seconds between a pod's removal from the router and its SIGTERM; covers kube-proxy and other routers. */
const PRE_STOP_SECONDS = 5;

/** Options of `podTemplate`. */
export interface PodOptions {
  readonly component: Component;
  /** Runtime that serves the model; undefined for a server of the user's own. */
  readonly runtime?: ServingRuntimeData;
  readonly revision: string;
  readonly config: OperatorConfig;
  /** Account whose Secrets may let the download into a store. */
  readonly serviceAccount?: Observed<ServiceAccount>;
}

/** The pod template of a new revision, or why there can be none. */
export function podTemplate(options: PodOptions): Result<PodTemplateSpec> {
  const { component, runtime, revision } = options;
  const isvc = component.isvc.metadata;
  const labels = {
    ...runtime?.spec.labels,
    ...component.labels,
    ...ownedLabels(isvc.name, component.name),
    [LABELS.app]: appLabel(revision),
    [LABELS.revision]: revision,
  };
  const annotations = { ...runtime?.spec.annotations, ...component.annotations };
  const spec = podSpec(options);
  return spec.ok ? ok({ metadata: { labels, annotations }, spec: spec.value }) : spec;
}

function podSpec({ component, runtime, config, serviceAccount }: PodOptions): Result<PodSpec> {
  const { metadata } = component.isvc;
  const merged = mergedSpec(component, runtime);
  let pod: PodSpec;
  try {
    pod = renderTemplates(merged, {
      Name: metadata.name,
      Namespace: metadata.namespace ?? '',
      Labels: metadata.labels ?? {},
      Annotations: {
        ...metadata.annotations,
        modelFormat: component.model?.modelFormat?.name ?? '',
      },
    });
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return problem(
      'InvalidPredictorSpec',
      `runtime "${runtime?.metadata.name}": template ${error.message} for this InferenceService`,
    );
  }
  if (component.model !== undefined) {
    const uri = storageUri(component.model);
    if (!uri.ok) return uri;
    const annotations = metadata.annotations ?? {};
    const { model } = component;
    if (uri.value !== undefined) {
      const initializerImage = config.storageInitializerImage;
      const options = { model, runtime, annotations, initializerImage, serviceAccount };
      pod = withStorage(pod, uri.value, options);
    }
    const imageIsUsers = model.image !== undefined;
    pod = withAccelerator(pod, { annotations, runtime, imageIsUsers });
  }
  return ok(withDefaults(pod, component));
}

function mergedSpec({ spec, model }: Component, runtime?: ServingRuntimeData): PodSpec {
  const ofUser = componentFields(spec, 'pod') as Partial<PodSpec>;
  if (runtime === undefined || model === undefined) {
    const containers = (spec.containers ?? []).map((container) => ({
      ...container,
      name: spec.containers?.length === 1 ? KSERVE_CONTAINER : container.name,
    }));
    return { ...ofUser, containers } as PodSpec;
  }
  const { containers, ...rest } = runtime.spec;
  const pod = merge({ ...runtimePodFields(rest), containers } as PodSpec, ofUser);
  const container = {
    ...(containerFields(model) as Partial<Container>),
    name: KSERVE_CONTAINER,
  };
  const withModel = mergeContainer(pod, container);
  return model.runtimeVersion === undefined || model.image !== undefined
    ? withModel
    : mergeContainer(withModel, {
        name: KSERVE_CONTAINER,
        image: retag(serving(withModel).image ?? '', model.runtimeVersion),
      });
}

function runtimePodFields(spec: Partial<ServingRuntimeData['spec']>): Partial<PodSpec> {
  const { volumes, nodeSelector, affinity, tolerations, imagePullSecrets } = spec;
  const { hostIPC, schedulerName, resourceClaims } = spec;
  const fields = {
    ...{ volumes, nodeSelector, affinity, tolerations, imagePullSecrets },
    ...{ hostIPC, schedulerName, resourceClaims },
  };
  return JSON.parse(JSON.stringify(fields)) as Partial<PodSpec>;
}

/** KServe: runtimeVersion replaces the tag; an image named by digest is left alone. */
function retag(image: string, tag: string): string {
  return image.includes('@') ? image : `${image.replace(/:[^/:]*$/, '')}:${tag}`;
}

function serving(pod: PodSpec): Container {
  return pod.containers.find(({ name }) => name === KSERVE_CONTAINER) as Container;
}

/** The container port that takes requests over HTTP/1.1, or the only one. */
export function servingPort(pod: Pick<PodSpec, 'containers'> | undefined): number {
  const container =
    pod?.containers.find(({ name }) => name === KSERVE_CONTAINER) ?? pod?.containers[0];
  const ports = container?.ports ?? [];
  const http = ports.find(({ name = '' }) => !isH2c(name)) ?? ports[0];
  return http?.containerPort ?? DEFAULT_PORT;
}

/** Says whether a port speaks HTTP/2 without TLS. KServe: its name says grpc or h2c. */
export function isH2c(portName: string): boolean {
  return /grpc|h2c/.test(portName);
}

function withDefaults(pod: PodSpec, { isvc, spec }: Component): PodSpec {
  const timeout = spec.timeout ?? 0;
  const defaults: Partial<PodSpec> = {
    // Each Service would add seven variables; large namespaces start slowly (knative/serving#9104).
    enableServiceLinks: pod.enableServiceLinks ?? false,
    terminationGracePeriodSeconds:
      pod.terminationGracePeriodSeconds ?? Math.max(30, timeout + PRE_STOP_SECONDS + 5),
  };
  const port = servingPort(pod);
  const containers = pod.containers.map((container) =>
    merge(container, {
      env: [{ name: 'INFERENCE_SERVICE_NAME', value: isvc.metadata.name }],
      ...(container.name === KSERVE_CONTAINER ? servingDefaults(container, port) : {}),
    }),
  );
  return { ...merge(pod, defaults), containers };
}

function servingDefaults(container: Container, port: number): Partial<Container> {
  return {
    lifecycle: container.lifecycle ?? { preStop: { sleep: { seconds: PRE_STOP_SECONDS } } },
    readinessProbe: container.readinessProbe ?? {
      tcpSocket: { port },
      periodSeconds: 2,
      failureThreshold: 3,
    },
    terminationMessagePolicy: container.terminationMessagePolicy ?? 'FallbackToLogsOnError',
  };
}
