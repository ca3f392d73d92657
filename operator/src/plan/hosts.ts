/** The names and URLs of an InferenceService. KServe: reconcilers/ingress/domain.go, path.go. */
import type { OperatorConfig } from '../api/config.ts';
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { keyOf } from '../api/kube.ts';
import { LABELS, predictorName } from '../api/names.ts';
import { renderTemplate, TemplateError } from './template.ts';

export interface Hosts {
  /** Undefined when the service is cluster-local, or the domain template has no value for it. */
  readonly external?: { readonly service: string; readonly predictor: string };
  /** Why there is no external host, where one is wanted. */
  readonly problem?: string;
  /** DNS names inside the cluster. */
  readonly internal: readonly string[];
  /** Path under which the routers serve it on any host; undefined when it is cluster-local. */
  readonly pathPrefix?: string;
}

export function hosts(isvc: InferenceServiceData, config: OperatorConfig): Hosts {
  const { name, namespace = '', labels } = isvc.metadata;
  const internal = [name, predictorName(name)].flatMap((service) => {
    const short = `${service}.${namespace}`;
    return [short, `${short}.svc`, `${short}.svc.${config.clusterDomain}`];
  });
  if (labels?.[LABELS.visibility] === 'cluster-local') return { internal };
  const pathPrefix = `/serving/${namespace}/${name}`;
  try {
    const external = {
      service: externalHost(name, isvc, config),
      predictor: externalHost(predictorName(name), isvc, config),
    };
    return { external, internal, pathPrefix };
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    const problem = `domain template "${config.domainTemplate}": ${error.message} for this service`;
    return { internal, pathPrefix, problem };
  }
}

function externalHost(
  service: string,
  { metadata }: InferenceServiceData,
  { domainTemplate, ingressDomain }: OperatorConfig,
): string {
  const host = renderTemplate(domainTemplate, {
    Name: service,
    Namespace: metadata.namespace ?? '',
    IngressDomain: ingressDomain,
    Labels: metadata.labels ?? {},
    Annotations: metadata.annotations ?? {},
  });
  if (host.length > 253 || !host.split('.').every((label) => DNS_LABEL.test(label))) {
    throw new TemplateError(`"${host}" is not a DNS name`);
  }
  return host;
}

/** Of two services that claim one host the older keeps it; by key when they are of one age. */
export function olderFirst(a: InferenceServiceData, b: InferenceServiceData): number {
  const created = ({ metadata }: InferenceServiceData) => metadata.creationTimestamp ?? '';
  return created(a).localeCompare(created(b)) || (keyOf(a) < keyOf(b) ? -1 : 1);
}

/** The key of the older service that has the external host of `isvc`; undefined when the host is its own. */
export function hostOwner(
  isvc: InferenceServiceData,
  services: readonly InferenceServiceData[],
  config: OperatorConfig,
): string | undefined {
  const claimed = (service: InferenceServiceData) =>
    Object.values(hosts(service, config).external ?? {});
  const own = claimed(isvc);
  const owner = services.find(
    (other) =>
      keyOf(other) !== keyOf(isvc) &&
      olderFirst(other, isvc) < 0 &&
      claimed(other).some((host) => own.includes(host)),
  );
  return owner && keyOf(owner);
}

/** RFC 1123; what comes from a label or an annotation must not become a wildcard or break the routers. */
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** URL of a host outside the cluster. */
export function externalUrl(host: string, { urlScheme, urlPort }: OperatorConfig): string {
  return `${urlScheme}://${host}${urlPort === undefined ? '' : `:${urlPort}`}`;
}

/** URL that callers inside the cluster use. */
export function internalUrl(isvc: InferenceServiceData, { clusterDomain }: OperatorConfig): string {
  const { name, namespace } = isvc.metadata;
  return `http://${predictorName(name)}.${namespace}.svc.${clusterDomain}`;
}
