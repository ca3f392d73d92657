/** The pod of a revision: runtime ⊕ InferenceService, storage, accelerator, defaults. */
import type { OperatorConfig } from '../api/config.ts';
import type { ServingRuntimeData } from '../api/inferenceservice.ts';
import type { Container, Observed, PodSpec, PodTemplateSpec, ServiceAccount } from '../api/kube.ts';
import { appLabel, DEFAULT_PORT, KSERVE_CONTAINER, LABELS, ownedLabels } from '../api/names.ts';
import { withAccelerator } from './accelerator.ts';
import type { Component } from './component.ts';
import { componentFields, containerFields } from './fields.ts';
import { graceSeconds, PRE_STOP_SECONDS } from './grace.ts';
import { ok, problem, type Result } from './input.ts';
import { merge, mergeContainer } from './merge.ts';
import { withMovedPorts } from './ports.ts';
import { fetchesModel } from './runtime.ts';
import { scrapingAnnotations } from './scraping.ts';
import { serverLabels } from './server-labels.ts';
import { sourceOfContainer, storageUri, withLocalUri, withStorage } from './storage.ts';
import { renderTemplates, type TemplateData, TemplateError } from './template.ts';

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
  const spec = podSpec(options);
  if (!spec.ok) return spec;
  const ports = { ofRuntime: servingPort(runtime?.spec), ofPod: servingPort(spec.value) };
  const annotations = {
    ...runtime?.spec.annotations,
    ...scrapingAnnotations({ asked: component.annotations, runtime, ports }),
    ...component.annotations,
  };
  return ok({ metadata: { labels, annotations }, spec: spec.value });
}

function podSpec(options: PodOptions): Result<PodSpec> {
  const { component, runtime } = options;
  const rendered = runtime === undefined ? ok(undefined) : renderedSpec(runtime, component);
  if (!rendered.ok) return rendered;
  const pod = withModel(withLimit(mergedSpec(component, rendered.value), options), options);
  if (!pod.ok) return pod;
  const { annotations } = component;
  const imageIsUsers = component.model === undefined || component.model.image !== undefined;
  const accelerated = withAccelerator(pod.value, { annotations, runtime, imageIsUsers });
  return ok(withDefaults(accelerated, component));
}

/** Returns a runtime's spec with its templates filled in. What the user writes is no template. */
function renderedSpec(
  { metadata: { name }, spec }: ServingRuntimeData,
  component: Component,
): Result<ServingRuntimeData['spec']> {
  try {
    return ok(renderTemplates(spec, templateData(component)));
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    return problem(
      'InvalidPredictorSpec',
      `runtime "${name}": template ${error.message} for this InferenceService`,
    );
  }
}

function templateData({ isvc: { metadata }, model }: Component): TemplateData {
  const format = model?.modelFormat?.name ?? '';
  return {
    Name: metadata.name,
    Namespace: metadata.namespace ?? '',
    Labels: { ...serverLabels(model), ...metadata.labels },
    Annotations: { ...metadata.annotations, modelFormat: format },
  };
}

/** Puts the model of a component into its pod: that of the spec, or the one that the user's own server asks for. */
function withModel(pod: PodSpec, options: PodOptions): Result<PodSpec> {
  const { component, runtime, config, serviceAccount } = options;
  const container = component.model === undefined ? serving(pod) : undefined;
  const ofContainer = container === undefined ? ok(undefined) : sourceOfContainer(container);
  if (!ofContainer.ok) return ofContainer;
  const source = component.model ?? ofContainer.value;
  if (source === undefined) return ok(pod);
  const uri = storageUri(source);
  if (!uri.ok) return uri;
  if (uri.value === undefined) return ok(pod);
  const { annotations } = component;
  const initializerImage = config.storageInitializerImage;
  const rest = { source, runtime, annotations, initializerImage, serviceAccount };
  const filled = withStorage(pod, uri.value, rest);
  return ok(component.model === undefined ? withLocalUri(filled) : filled);
}

/** Has Wherry's own server run no more requests at once than a pod may have. */
function withLimit(pod: PodSpec, { component, runtime }: PodOptions): PodSpec {
  const { containerConcurrency = 0 } = component.spec;
  if (containerConcurrency === 0 || runtime === undefined || !fetchesModel(runtime)) return pod;
  const args = [`--container_concurrency=${containerConcurrency}`];
  return mergeContainer(pod, { name: KSERVE_CONTAINER, args });
}

function mergedSpec({ spec, model }: Component, runtime?: ServingRuntimeData['spec']): PodSpec {
  const ofUser = componentFields(spec, 'pod') as Partial<PodSpec>;
  if (runtime === undefined || model === undefined) {
    const containers = (spec.containers ?? []).map((container) => ({
      ...container,
      name: spec.containers?.length === 1 ? KSERVE_CONTAINER : container.name,
    }));
    return { ...ofUser, containers } as PodSpec;
  }
  const { containers, ...rest } = runtime;
  const movable = containers.map((container) =>
    container.name === KSERVE_CONTAINER ? withMovedPorts(container, model.ports) : container,
  );
  const pod = merge({ ...runtimePodFields(rest), containers: movable } as PodSpec, ofUser);
  const container = {
    ...(containerFields(model) as Partial<Container>),
    name: KSERVE_CONTAINER,
  };
  const merged = mergeContainer(pod, container);
  return model.runtimeVersion === undefined || model.image !== undefined
    ? merged
    : mergeContainer(merged, {
        name: KSERVE_CONTAINER,
        image: retag(serving(merged)?.image ?? '', model.runtimeVersion),
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

function serving(pod: PodSpec): Container | undefined {
  return pod.containers.find(({ name }) => name === KSERVE_CONTAINER);
}

/** Part of a pod that tells its ports. */
type PodPorts = { readonly containers: readonly Pick<Container, 'name' | 'ports'>[] };

/** Returns the ports of the container that serves. */
export function servingPorts(pod: PodPorts | undefined): NonNullable<Container['ports']> {
  const container =
    pod?.containers.find(({ name }) => name === KSERVE_CONTAINER) ?? pod?.containers[0];
  return container?.ports ?? [];
}

/** The container port that takes requests over HTTP/1.1, or the only one. */
export function servingPort(pod: PodPorts | undefined): number {
  const ports = servingPorts(pod);
  const http = ports.find(({ name = '' }) => !isH2c(name)) ?? ports[0];
  return http?.containerPort ?? DEFAULT_PORT;
}

/** Says whether a port speaks HTTP/2 without TLS. KServe: its name says grpc or h2c. */
export function isH2c(portName: string): boolean {
  return /grpc|h2c/.test(portName);
}

function withDefaults(pod: PodSpec, { isvc, spec }: Component): PodSpec {
  const defaults: Partial<PodSpec> = {
    // Each Service would add seven variables; large namespaces start slowly (knative/serving#9104).
    enableServiceLinks: pod.enableServiceLinks ?? false,
    terminationGracePeriodSeconds: graceSeconds(spec),
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
