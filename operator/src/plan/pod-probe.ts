/** Says which pods an operator may ask itself whether they are ready, and where. */
import type { Observed, Pod } from '../api/kube.ts';

/** Place of a pod's readiness over HTTP. */
export interface PodProbe {
  readonly address: string;
  readonly port: number;
  readonly path: string;
}

/**
 * Returns where a pod tells over HTTP that it is ready. Undefined where that alone does not make it ready, so that the
 * kubelet has to be waited for: another kind of probe, a delay, more containers, or gates. The port has to be one of the
 * container's own and the address the pod's own, so that nobody can have an operator ask something else.
 */
export function podProbe({ metadata, spec, status }: Observed<Pod>): PodProbe | undefined {
  const [container, ...others] = spec?.containers ?? [];
  const { readinessProbe: probe, startupProbe, ports = [] } = container ?? {};
  const { httpGet, initialDelaySeconds = 0, successThreshold = 1 } = probe ?? {};
  const address = status?.podIP;
  if (httpGet === undefined || !address || metadata.deletionTimestamp !== undefined) return;
  if (others.length > 0 || startupProbe !== undefined || spec?.hostNetwork) return;
  if (initialDelaySeconds > 0 || successThreshold > 1 || spec?.readinessGates?.length) return;
  const { host, scheme = 'HTTP', httpHeaders = [], path = '/' } = httpGet;
  if (host || scheme !== 'HTTP' || httpHeaders.length > 0) return;
  const own = ports.find(({ name, containerPort }) => [name, containerPort].includes(httpGet.port));
  return own && { address, port: own.containerPort, path };
}
