/** The endpoints of one Service of the operator's own namespace, such as the routers' or the other operators'. */
import type { EndpointSlice } from '../api/kube.ts';
import { LABELS } from '../api/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { Informer } from '../kube/informer.ts';
import type { Logger } from '../log.ts';

export interface ServiceEndpointsOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly service: string;
  readonly log: Logger;
  readonly onChange: () => void;
}

export interface ServiceEndpoint {
  /** Name of the pod. */
  readonly pod: string;
  /** Its addresses of both families. */
  readonly addresses: readonly string[];
}

export class ServiceEndpoints {
  readonly #informer: Informer;

  constructor({ client, namespace, service, log, onChange }: ServiceEndpointsOptions) {
    this.#informer = new Informer({
      client,
      kind: 'EndpointSlice',
      namespace,
      labelSelector: `${LABELS.serviceName}=${service}`,
      log,
      onChange,
    });
  }

  /** Resolves after the first list. */
  get synced(): Promise<void> {
    return this.#informer.synced;
  }

  /** Follows until `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#informer.run(signal);
  }

  /** The endpoints that take traffic, one a pod, in the order of the pods' names. */
  ready(): ServiceEndpoint[] {
    const endpoints = (this.#informer.list() as EndpointSlice[])
      .flatMap(({ endpoints: all = [] }) => all)
      .filter(({ conditions }) => conditions?.ready !== false);
    const byPod = Map.groupBy(endpoints, ({ targetRef }) => targetRef?.name ?? '');
    return [...byPod]
      .filter(([pod]) => pod !== '')
      .map(([pod, own]) => ({ pod, addresses: own.flatMap(({ addresses }) => addresses) }))
      .sort((a, b) => (a.pod < b.pod ? -1 : 1));
  }
}
