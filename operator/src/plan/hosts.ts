/** The names and URLs of an InferenceService. KServe: reconcilers/ingress/domain.go, path.go. */
import type { OperatorConfig } from '../api/config.ts';
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import type { Observed, Service } from '../api/kube.ts';
import { LABELS, predictorName } from '../api/names.ts';
import { belongsTo } from './owner.ts';
import { renderTemplate, TemplateError } from './template.ts';

/** Names by which a service can be called. */
export interface Hosts {
  /**
   * Hosts outside the cluster; undefined when the service is cluster-local, or the domain template has no
   * value for it.
   */
  readonly external?: {
    readonly service: string;
    /**
     * Host of the predictor alone; absent when it does not fit a DNS name, because it is longer than the
     * service's.
     */
    readonly predictor?: string;
  };
  /** Reason why there is no external host, where one is wanted. */
  readonly problem?: string;
  /** DNS names inside the cluster. */
  readonly internal: readonly string[];
}

/** Returns the names by which a service asks to be called; another may have some of them. */
export function hosts(isvc: InferenceServiceData, config: OperatorConfig): Hosts {
  const { name, namespace = '' } = isvc.metadata;
  const internal = [name, predictorName(name)].flatMap((service) => {
    const short = `${service}.${namespace}`;
    return [short, `${short}.svc`, `${short}.svc.${config.clusterDomain}`];
  });
  if (isClusterLocal(isvc)) return { internal };
  try {
    const service = externalHost(name, isvc, config);
    const predictor = externalHost(predictorName(name), isvc, config);
    if (!isDnsName(service)) throw new TemplateError(`"${service}" is not a DNS name`);
    const external = isDnsName(predictor) ? { service, predictor } : { service };
    return { external, internal };
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    const problem = `domain template "${config.domainTemplate}": ${error.message} for this service`;
    return { internal, problem };
  }
}

/**
 * Returns the hosts of callers that call a service's own Service by its address. An address belongs to one Service,
 * so that nobody else can claim it.
 */
export function addressHosts(
  isvc: InferenceServiceData,
  service: Observed<Service> | undefined,
): string[] {
  if (service === undefined || belongsTo(service, isvc) !== 'own') return [];
  return (service.spec?.clusterIPs ?? [])
    .filter((address) => address !== 'None')
    .map((address) => (address.includes(':') ? `[${address}]` : address));
}

/** The path under which the routers serve it on any host; undefined when it is cluster-local. */
export function pathPrefix(isvc: InferenceServiceData): string | undefined {
  const { name, namespace = '' } = isvc.metadata;
  return isClusterLocal(isvc) ? undefined : `/serving/${namespace}/${name}`;
}

function isClusterLocal({ metadata }: InferenceServiceData): boolean {
  return metadata.labels?.[LABELS.visibility] === 'cluster-local';
}

function externalHost(
  service: string,
  { metadata }: InferenceServiceData,
  { domainTemplate, ingressDomain }: OperatorConfig,
): string {
  return renderTemplate(domainTemplate, {
    Name: service,
    Namespace: metadata.namespace ?? '',
    IngressDomain: ingressDomain,
    Labels: metadata.labels ?? {},
    Annotations: metadata.annotations ?? {},
  });
}

/** RFC 1123; what comes from a label or an annotation must not become a wildcard or break the routers. */
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

function isDnsName(host: string): boolean {
  return host.length <= 253 && host.split('.').every((label) => DNS_LABEL.test(label));
}

/** Returns the URL of a host outside the cluster. */
export function externalUrl(host: string, { urlScheme, urlPort }: OperatorConfig): string {
  return `${urlScheme}://${host}${urlPort === undefined ? '' : `:${urlPort}`}`;
}

/** Returns the URL that callers inside the cluster use. */
export function internalUrl(isvc: InferenceServiceData, { clusterDomain }: OperatorConfig): string {
  const { name, namespace } = isvc.metadata;
  return `http://${predictorName(name)}.${namespace}.svc.${clusterDomain}`;
}
