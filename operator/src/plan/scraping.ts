/** Annotations by which a Prometheus that looks at pods finds a server's metrics. */
import type { ServingRuntimeData } from '../api/inferenceservice.ts';
import { ANNOTATIONS } from '../api/names.ts';

/** Options of `scrapingAnnotations`. */
export interface ScrapingOptions {
  /** Annotations of the InferenceService and its component. */
  readonly asked: Readonly<Record<string, string>>;
  readonly runtime?: ServingRuntimeData;
  /** HTTP port of the runtime's server, and the one that it has in this pod. */
  readonly ports: { readonly ofRuntime: number; readonly ofPod: number };
}

/**
 * Returns the annotations of a pod whose metrics are to be scraped; none where that is not asked for. Port and path are
 * those that the user or the runtime names, as KServe's annotations `prometheus.kserve.io/`.
 */
export function scrapingAnnotations({
  asked,
  runtime,
  ports,
}: ScrapingOptions): Record<string, string> {
  if (asked[ANNOTATIONS.prometheusScraping]?.toLowerCase() !== 'true') return {};
  const { metricsPort, metricsPath } = ANNOTATIONS;
  const named = runtime?.spec.annotations ?? {};
  // The user may have moved the port that the runtime names.
  const isMoved = named[metricsPort] === String(ports.ofRuntime);
  const ofRuntime = isMoved ? undefined : named[metricsPort];
  return {
    'prometheus.io/scrape': 'true',
    'prometheus.io/port': asked[metricsPort] ?? ofRuntime ?? String(ports.ofPod),
    'prometheus.io/path': asked[metricsPath] ?? named[metricsPath] ?? '/metrics',
  };
}
