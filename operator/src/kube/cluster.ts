/** The real cluster behind the controllers' ports: informers to read, the client to write. */
import type { KubeObject, Observed } from '../api/kube.ts';
import { FIELD_MANAGER, LABELS } from '../api/names.ts';
import type { Kind, Lister, Writer } from '../controller/cluster.ts';
import type { Logger } from '../log.ts';
import type { PlanEvent } from '../plan/input.ts';
import type { KubeClient } from './client.ts';
import { isConflict, isNotFound } from './errors.ts';
import { Informer } from './informer.ts';
import { microTime } from './leader.ts';

/** What of each kind is watched; everything of the operator's own carries its label. */
const OWNED = `${LABELS.managedBy}=${FIELD_MANAGER},${LABELS.inferenceService}`;
const WATCHED: Readonly<Record<Kind, string | undefined>> = {
  InferenceService: undefined,
  ServingRuntime: undefined,
  ClusterServingRuntime: undefined,
  Deployment: OWNED,
  Service: OWNED,
  EndpointSlice: OWNED,
  Pod: LABELS.revision,
  ServiceAccount: undefined,
};

export interface KubeClusterOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly onChange: (kind: Kind, object: KubeObject, deleted: boolean) => void;
}

export class KubeCluster implements Lister, Writer {
  readonly #client: KubeClient;
  readonly #informers: ReadonlyMap<Kind, Informer>;
  #events = 0;

  constructor({ client, log, onChange }: KubeClusterOptions) {
    this.#client = client;
    this.#informers = new Map(
      (Object.keys(WATCHED) as Kind[]).map((kind) => [
        kind,
        new Informer({
          client,
          kind,
          labelSelector: WATCHED[kind],
          log,
          onChange: (object, deleted) => onChange(kind, object, deleted),
        }),
      ]),
    );
  }

  /** Starts every informer; resolves when all have their first list. */
  async start(signal: AbortSignal): Promise<void> {
    for (const informer of this.#informers.values()) void informer.run(signal);
    await Promise.all([...this.#informers.values()].map(({ synced }) => synced));
  }

  get<T>(kind: Kind, key: string): Observed<T> | undefined {
    return this.#informers.get(kind)?.get(key) as Observed<T> | undefined;
  }

  list<T>(kind: Kind, namespace?: string): Observed<T>[] {
    return (this.#informers.get(kind)?.list(namespace) ?? []) as Observed<T>[];
  }

  listOwned<T>(kind: Kind, key: string): Observed<T>[] {
    return (this.#informers.get(kind)?.listOwned(key) ?? []) as Observed<T>[];
  }

  async create(object: KubeObject): Promise<boolean> {
    try {
      await this.#client.create(object);
      return true;
    } catch (error) {
      if (isConflict(error)) return false;
      throw error;
    }
  }

  async apply(object: KubeObject): Promise<void> {
    await this.#client.apply(object);
  }

  async applyStatus(object: KubeObject & { status: object }): Promise<string | undefined> {
    const stored = await this.#client.apply<KubeObject>(object, 'status').catch(ignoreNotFound);
    return stored?.metadata.resourceVersion;
  }

  async scale(deployment: { namespace: string; name: string }, replicas: number): Promise<void> {
    await this.#client.scale('Deployment', deployment.namespace, deployment.name, replicas);
  }

  async delete(object: KubeObject): Promise<void> {
    await this.#client.delete(object).catch(ignoreNotFound);
  }

  async event(about: KubeObject, { type, reason, message }: PlanEvent): Promise<void> {
    const { apiVersion, kind, metadata } = about;
    const { name, namespace, uid } = metadata;
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: {
        name: `${name}.${Date.now().toString(16)}${(this.#events++).toString(16)}`,
        namespace,
      },
      eventTime: microTime(),
      reportingController: 'wherry.dev/operator',
      reportingInstance: 'operator',
      action: 'Reconcile',
      type,
      reason,
      note: message.slice(0, 1024),
      regarding: { apiVersion, kind, name, namespace, uid },
    };
    await this.#client.create(event);
  }
}

/** It was deleted meanwhile: there is nothing left to write. */
function ignoreNotFound(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
}
