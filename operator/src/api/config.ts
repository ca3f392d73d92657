/** The operator's configuration: one frozen value, read once from the command line. */

export interface OperatorConfig {
  /** Domain of the services' external hosts. KServe: ingress.ingressDomain. */
  readonly ingressDomain: string;
  /** Go template of an external host. KServe: ingress.domainTemplate. */
  readonly domainTemplate: string;
  readonly urlScheme: 'http' | 'https';
  /** Port to print in external URLs; undefined for the scheme's own. */
  readonly urlPort?: number;
  /** DNS domain of the cluster. */
  readonly clusterDomain: string;
  /** The router's Service. */
  readonly router: { readonly name: string; readonly namespace: string };
  /** Image of the `storage-initializer`, for runtimes that do not fetch models themselves. */
  readonly storageInitializerImage: string;
  /** Revisions without traffic that are kept for a rollback. */
  readonly revisionHistoryLimit: number;
}

export const DEFAULT_CONFIG: OperatorConfig = Object.freeze({
  ingressDomain: 'example.com',
  domainTemplate: '{{ .Name }}-{{ .Namespace }}.{{ .IngressDomain }}',
  urlScheme: 'http',
  clusterDomain: 'cluster.local',
  router: Object.freeze({ name: 'wherry-router', namespace: 'wherry-system' }),
  storageInitializerImage: 'ghcr.io/wherry/predictor-runtime:0.1.0',
  revisionHistoryLimit: 2,
});
