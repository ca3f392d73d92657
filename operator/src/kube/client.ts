/**
 * A thin client of the API server: raw JSON, one connection pool, time limits. Who we are comes from
 * @kubernetes/client-node's KubeConfig; its typed API is not used, because it opens a connection for each
 * request and drops fields it does not know.
 */
import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher, request } from 'undici';
import type { KubeObject } from '../api/kube.ts';
import { FIELD_MANAGER } from '../api/names.ts';
import { type FailureStatus, KubeError } from './errors.ts';
import { path } from './resources.ts';

const REQUEST_TIMEOUT = 30_000;
const PAGE = 500;
const MAX_THROTTLED = 5;

export interface KubeList<T> {
  readonly items: T[];
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
}

export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T;
}

/** Told about every request that is sent. */
export type RequestObserver = (verb: string, kind: string, code: number) => void;

type Query = Record<string, string | number | undefined>;

interface Call {
  readonly verb: string;
  readonly kind: string;
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

export class KubeClient {
  readonly #config: KubeConfig;
  readonly #observe: RequestObserver;
  #agent: { key: string; agent: Agent } | undefined;

  constructor(config: KubeConfig, observe: RequestObserver = () => undefined) {
    this.#config = config;
    this.#observe = observe;
  }

  async get<T>(kind: string, namespace: string | undefined, name: string): Promise<T> {
    return this.#json<T>({ verb: 'get', kind, method: 'GET', path: path(kind, namespace, name) });
  }

  /** All objects of a kind, page by page, and the version to watch from. */
  async list<T>(
    kind: string,
    { namespace, labelSelector }: { namespace?: string; labelSelector?: string },
  ): Promise<KubeList<T>> {
    const items: T[] = [];
    let next: string | undefined;
    for (;;) {
      const page = await this.#json<KubeList<T>>({
        verb: 'list',
        kind,
        method: 'GET',
        path: path(kind, namespace),
        query: { labelSelector, limit: PAGE, continue: next },
      });
      items.push(...page.items);
      next = page.metadata.continue;
      if (!next) return { items, metadata: page.metadata };
    }
  }

  /** Events from `resourceVersion` on, until the server ends the watch. @throws KubeError, or when the line is cut. */
  async *watch<T>(
    kind: string,
    options: {
      namespace?: string;
      labelSelector?: string;
      resourceVersion: string;
      timeoutSeconds: number;
      signal: AbortSignal;
    },
  ): AsyncGenerator<WatchEvent<T>> {
    const { namespace, signal, ...query } = options;
    const watchdog = AbortSignal.timeout((options.timeoutSeconds + 30) * 1000);
    const { body } = await this.#send({
      verb: 'watch',
      kind,
      method: 'GET',
      path: path(kind, namespace),
      query: { ...query, watch: 'true', allowWatchBookmarks: 'true' },
      signal: AbortSignal.any([signal, watchdog]),
    });
    body.setEncoding('utf8');
    let rest = '';
    for await (const chunk of body) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line) as WatchEvent<T>;
    }
  }

  /** Server-side apply; fields that others own are taken over. Returns the object as stored. */
  async apply<T extends KubeObject>(object: T, subresource?: 'status'): Promise<T> {
    const { kind, metadata } = object;
    const base = path(kind, metadata.namespace, metadata.name);
    return this.#json<T>({
      verb: subresource === undefined ? 'apply' : `apply ${subresource}`,
      kind,
      method: 'PATCH',
      path: subresource === undefined ? base : `${base}/${subresource}`,
      query: { fieldManager: FIELD_MANAGER, force: 'true' },
      body: object,
      contentType: 'application/apply-patch+yaml',
    });
  }

  /** Sets `spec.replicas` through the scale subresource. */
  async scale(kind: string, namespace: string, name: string, replicas: number): Promise<void> {
    await this.#json({
      verb: 'scale',
      kind,
      method: 'PATCH',
      path: `${path(kind, namespace, name)}/scale`,
      body: { spec: { replicas } },
      contentType: 'application/merge-patch+json',
    });
  }

  /** Changes the named fields of an object (JSON merge patch). */
  async patch(
    kind: string,
    { namespace, name }: { namespace?: string; name: string },
    body: object,
  ): Promise<void> {
    await this.#json({
      verb: 'patch',
      kind,
      method: 'PATCH',
      path: path(kind, namespace, name),
      query: { fieldManager: FIELD_MANAGER },
      body,
      contentType: 'application/merge-patch+json',
    });
  }

  /** @throws KubeError 409 when an object of that name exists. */
  async create<T>(object: KubeObject): Promise<T> {
    const { kind, metadata } = object;
    return this.#json<T>({
      verb: 'create',
      kind,
      method: 'POST',
      path: path(kind, metadata.namespace),
      query: { fieldManager: FIELD_MANAGER },
      body: object,
    });
  }

  /** Replaces the object if its resource version is still the current one. @throws KubeError 409. */
  async replace<T>(object: KubeObject): Promise<T> {
    const { kind, metadata } = object;
    const target = path(kind, metadata.namespace, metadata.name);
    return this.#json<T>({ verb: 'update', kind, method: 'PUT', path: target, body: object });
  }

  /** Deletes this very object (by uid) with what it owns. */
  async delete({ kind, metadata }: KubeObject): Promise<void> {
    await this.#json({
      verb: 'delete',
      kind,
      method: 'DELETE',
      path: path(kind, metadata.namespace, metadata.name),
      body: { propagationPolicy: 'Background', preconditions: { uid: metadata.uid } },
    });
  }

  async #json<T>(call: Call): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.#request(call);
      if (response.statusCode === 429 && attempt < MAX_THROTTLED) {
        await response.body.dump();
        const after = Number(response.headers['retry-after'] ?? 1);
        await new Promise((resolve) => setTimeout(resolve, after * 1000));
        continue;
      }
      if (response.statusCode >= 300) throw await refusal(call, response);
      return (await response.body.json()) as T;
    }
  }

  async #send(call: Call): Promise<Dispatcher.ResponseData> {
    const response = await this.#request(call);
    if (response.statusCode >= 300) throw await refusal(call, response);
    return response;
  }

  async #request(call: Call): Promise<Dispatcher.ResponseData> {
    const options: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    const server = this.#config.getCurrentCluster()?.server;
    if (server === undefined) throw new Error('the kubeconfig names no current cluster');
    const query = Object.entries(call.query ?? {}).filter(([, value]) => value !== undefined);
    const response = await request(server + call.path, {
      method: call.method,
      query: Object.fromEntries(query),
      headers: {
        ...(options.headers as Record<string, string>),
        accept: 'application/json',
        ...(call.body === undefined
          ? {}
          : { 'content-type': call.contentType ?? 'application/json' }),
      },
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal: call.signal ?? AbortSignal.timeout(REQUEST_TIMEOUT),
      dispatcher: this.#dispatcher(options),
    });
    this.#observe(call.verb, call.kind, response.statusCode);
    return response;
  }

  /** One pool, replaced when the certificates are: KubeConfig reads them anew for each request. */
  #dispatcher({ ca, cert, key, servername, rejectUnauthorized }: RequestOptions): Agent {
    const identity = [ca, cert, key, servername, rejectUnauthorized].map(String).join('\n');
    if (this.#agent?.key === identity) return this.#agent.agent;
    void this.#agent?.agent.close();
    const agent = new Agent({
      connect: { ca, cert, key, servername, rejectUnauthorized } as object,
      // A quiet watch is silent for minutes; the watchdog of watch() ends a dead one.
      bodyTimeout: 0,
      headersTimeout: REQUEST_TIMEOUT,
    });
    this.#agent = { key: identity, agent };
    return agent;
  }
}

async function refusal(call: Call, response: Dispatcher.ResponseData): Promise<KubeError> {
  const text = await response.body.text();
  let status: FailureStatus = { message: text.slice(0, 500) };
  try {
    status = JSON.parse(text) as FailureStatus;
  } catch {
    // Not a Status object: a proxy in between, or a plain text error.
  }
  return new KubeError(`${call.verb} ${call.path}`, { ...status, code: response.statusCode });
}
