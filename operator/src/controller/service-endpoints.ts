/**
 * Endpoints of one Service in the operator's own namespace, such as that of the routers or of the operators.
 */
import type { EndpointSlice } from '../api/kube.ts';
import { LABELS } from '../api/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { Informer } from '../kube/informer.ts';
import type { Logger } from '../log.ts';

/** The Service to follow, and the function to call when its endpoints change. */
export interface ServiceEndpointsOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Name of the Service. */
  readonly service: string;
  readonly log: Logger;
  readonly onChange: () => void;
}

/** A pod that a Service leads to. */
export interface ServiceEndpoint {
  /** Name of the pod. */
  readonly pod: string;
  /** IP addresses of the pod, of both families. */
  readonly addresses: readonly string[];
}

/** Follows the endpoints of one Service. */
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

  /** Resolves after the first complete list: before it, `ready` returns too few. */
  get synced(): Promise<void> {
    return this.#informer.synced;
  }

  /** Follows the Service until `signal` aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#informer.run(signal);
  }

  /** Returns the number of pods that have an address, those among them that start or end. */
  get count(): number {
    return new Set(this.#all().map(({ targetRef }) => targetRef?.name)).size;
  }

  /** Returns the endpoints that take traffic, one for each pod, in the order of the pods' names. */
  ready(): ServiceEndpoint[] {
    const endpoints = this.#all().filter(({ conditions }) => conditions?.ready !== false);
    const byPod = Map.groupBy(endpoints, ({ targetRef }) => targetRef?.name ?? '');
    return [...byPod]
      .filter(([pod]) => pod !== '')
      .map(([pod, own]) => ({ pod, addresses: own.flatMap(({ addresses }) => addresses) }))
      .sort((a, b) => (a.pod < b.pod ? -1 : 1));
  }

  /** Returns the IP addresses of pods that are being ended, and may still answer what they have taken. */
  ending(): string[] {
    const endpoints = this.#all().filter(({ conditions }) => conditions?.terminating === true);
    return endpoints.flatMap(({ addresses }) => addresses);
  }

  #all() {
    return (this.#informer.list() as EndpointSlice[]).flatMap(({ endpoints = [] }) => endpoints);
  }
}
