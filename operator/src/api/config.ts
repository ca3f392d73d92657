/** The operator's configuration: one frozen value, read once from the command line. */

/** Settings of the operator that plans depend on. A plan with other settings may differ for every service. */
export interface OperatorConfig {
  /**
   * Domain of the services' external hosts, which the template names `.IngressDomain`. KServe:
   * ingress.ingressDomain.
   */
  readonly ingressDomain: string;
  /** Go template of an external host. KServe: ingress.domainTemplate. */
  readonly domainTemplate: string;
  /** Scheme of the external URLs in a status. KServe: ingress.urlScheme. */
  readonly urlScheme: 'http' | 'https';
  /** Port to print in external URLs; undefined for the scheme's own. */
  readonly urlPort?: number;
  /** DNS domain of the cluster, such as `cluster.local`. */
  readonly clusterDomain: string;
  /** Service of the routers, whose namespace is also that of the operator, and the worker threads of each router. */
  readonly router: {
    readonly name: string;
    readonly namespace: string;
    readonly workers: number;
  };
  /** Image of the `storage-initializer`, for runtimes that do not fetch models themselves. */
  readonly storageInitializerImage: string;
  /**
   * Address, `host:port`, at which KEDA reaches the operator's external scaler; undefined where the operator serves none.
   */
  readonly externalScaler?: string;
  /** Number of revisions without traffic that each component keeps for a rollback. */
  readonly revisionHistoryLimit: number;
}

/** Settings that hold where the command line says nothing else. */
export const DEFAULT_CONFIG: OperatorConfig = Object.freeze({
  ingressDomain: 'example.com',
  domainTemplate: '{{ .Name }}-{{ .Namespace }}.{{ .IngressDomain }}',
  urlScheme: 'http',
  clusterDomain: 'cluster.local',
  router: Object.freeze({ name: 'wherry-router', namespace: 'wherry-system', workers: 2 }),
  storageInitializerImage: 'ghcr.io/wherry/predictor-runtime:0.1.0',
  revisionHistoryLimit: 2,
});
