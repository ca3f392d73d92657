/** The names and URLs of an InferenceService. KServe: reconcilers/ingress/domain.go, path.go. */
import type { OperatorConfig } from '../api/config.ts';
import type { InferenceServiceData } from '../api/inferenceservice.ts';
import { LABELS, predictorName } from '../api/names.ts';
import { renderTemplate } from './template.ts';

export interface Hosts {
  /** Undefined when the service is cluster-local. */
  readonly external?: { readonly service: string; readonly predictor: string };
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
  const external = (service: string) =>
    renderTemplate(config.domainTemplate, {
      Name: service,
      Namespace: namespace,
      IngressDomain: config.ingressDomain,
      Labels: labels ?? {},
      Annotations: isvc.metadata.annotations ?? {},
    });
  return {
    external: { service: external(name), predictor: external(predictorName(name)) },
    internal,
    pathPrefix: `/serving/${namespace}/${name}`,
  };
}

/** URL of a host outside the cluster. */
export function externalUrl(host: string, { urlScheme, urlPort }: OperatorConfig): string {
  return `${urlScheme}://${host}${urlPort === undefined ? '' : `:${urlPort}`}`;
}

/** URL that callers inside the cluster use. */
export function internalUrl(isvc: InferenceServiceData, { clusterDomain }: OperatorConfig): string {
  const { name, namespace } = isvc.metadata;
  return `http://${predictorName(name)}.${namespace}.svc.${clusterDomain}`;
}
