/**
 * A thin client of the API server: raw JSON, one connection pool, time limits. The server's address and our
 * credentials come from @kubernetes/client-node's KubeConfig; its typed API is not used, because it opens a
 * connection for each request and drops fields that it does not know.
 */
import type { RequestOptions } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher, request } from 'undici';
import type { KubeObject } from '../api/kube.ts';
import { FIELD_MANAGER } from '../api/names.ts';
import { type FailureStatus, KubeError } from './errors.ts';
import { path } from './resources.ts';

const REQUEST_TIMEOUT_MS = 30_000;
const WATCH_SILENCE_MS = 150_000;
/** Number of objects in one page of a list; parsing a page blocks the event loop. */
const PAGE_SIZE = 250;
const MAX_ATTEMPTS = 5;
/** Milliseconds that an idle connection is kept; the API server closes none within 90 s. */
const KEEP_ALIVE_MS = 60_000;

/** Page of a list; the last one has no `continue`. All pages show the collection at one resource version. */
export interface KubeList<T> {
  readonly items: T[];
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
}

/**
 * Event of a watch. The object is as it is now, or as it last was when DELETED; a BOOKMARK's has only a resource
 * version, and an ERROR's is a `FailureStatus`.
 */
export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T;
}

/** Time limits of a client, and who is told about its answers. */
export interface KubeClientOptions {
  /** Called with every answer, refusals included; `code` is the HTTP status code. */
  readonly observe?: (verb: string, kind: string, code: number) => void;
  /**
   * Milliseconds that a call may take with all its attempts, 30 s by default; a watch has this long to begin.
   */
  readonly requestTimeoutMs?: number;
  /**
   * Milliseconds after which a watch without a sign of life is given up, 150 s by default. An API server that
   * vanished with its machine never closes the connection; a live one sends a bookmark every minute.
   */
  readonly watchSilenceMs?: number;
}

/** Name of one object, with its kind; an object of the cluster has no namespace. */
export interface ObjectName {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

/**
 * Selection of a kind's objects; without a namespace it takes all namespaces, without a selector all labels.
 */
export interface Selection {
  readonly namespace?: string;
  readonly labelSelector?: string;
}

/** Option of a call that the caller can end early; the call then throws. */
export interface Abortable {
  readonly signal?: AbortSignal;
}

/** Request to the API server, with what its metrics and errors say about it. */
interface Call extends Abortable {
  readonly verb: string;
  readonly kind: string;
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly query?: Record<string, string | number | undefined>;
  readonly body?: unknown;
  readonly contentType?: string;
  /**
   * Milliseconds of silence after which the body is given up; when undefined, only the call's time limit
   * holds.
   */
  readonly silenceMs?: number;
}

/**
 * Reads and writes objects of the API server over one connection pool. Every method throws a KubeError for a refusal,
 * and an Error that names the request when there is no answer.
 */
export class KubeClient {
  readonly #config: KubeConfig;
  readonly #options: Required<KubeClientOptions>;
  #agent: { key: string; agent: Agent } | undefined;

  constructor(config: KubeConfig, options: KubeClientOptions = {}) {
    this.#config = config;
    this.#options = {
      observe: () => undefined,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      watchSilenceMs: WATCH_SILENCE_MS,
      ...options,
    };
  }

  /** Reads an object. @throws KubeError 404 when there is none */
  async get<T>({ kind, namespace, name }: ObjectName, { signal }: Abortable = {}): Promise<T> {
    const target = path(kind, namespace, name);
    return this.#json<T>({ verb: 'get', kind, method: 'GET', path: target, signal });
  }

  /**
   * Lists objects of a kind page by page. A watch from the last page's resource version misses nothing.
   * @throws KubeError 410 when the caller took too long between two pages
   */
  async *listPages<T>(
    kind: string,
    { namespace, labelSelector, signal }: Selection & Abortable,
  ): AsyncGenerator<KubeList<T>> {
    let next: string | undefined;
    do {
      const page: KubeList<T> = await this.#json({
        verb: 'list',
        kind,
        method: 'GET',
        path: path(kind, namespace),
        query: { labelSelector, limit: PAGE_SIZE, continue: next },
        signal,
      });
      yield page;
      next = page.metadata.continue;
    } while (next);
  }

  /**
   * Yields events from `resourceVersion` on until the server ends the watch, after `timeoutSeconds` at most.
   * @throws KubeError 410 when the version is too old; the server may also say so in an ERROR event
   */
  async *watch<T>(
    kind: string,
    options: Selection & {
      readonly resourceVersion: string;
      readonly timeoutSeconds: number;
      readonly signal: AbortSignal;
    },
  ): AsyncGenerator<WatchEvent<T>> {
    const { namespace, signal, ...query } = options;
    const call: Call = {
      verb: 'watch',
      kind,
      method: 'GET',
      path: path(kind, namespace),
      query: { ...query, watch: 'true', allowWatchBookmarks: 'true' },
      silenceMs: this.#options.watchSilenceMs,
    };
    const { body } = await this.#limited(signal, (limit) => this.#send(call, limit));
    body.setEncoding('utf8');
    let rest = '';
    for await (const chunk of body) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line) as WatchEvent<T>;
    }
  }

  /**
   * Applies an object (server-side apply) and returns it as stored. Fields that others own are taken over.
   * @throws KubeError 409 when `metadata` has a uid or resource version that is not the object's
   */
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

  /**
   * Sets `spec.replicas` of an object through its scale subresource. @throws KubeError 409 when the object has
   * changed since `resourceVersion`
   */
  async scale(
    { kind, namespace, name }: ObjectName,
    replicas: number,
    { resourceVersion }: { readonly resourceVersion?: string } = {},
  ): Promise<void> {
    await this.#json({
      verb: 'scale',
      kind,
      method: 'PATCH',
      path: `${path(kind, namespace, name)}/scale`,
      body: { metadata: { resourceVersion }, spec: { replicas } },
      contentType: 'application/merge-patch+json',
    });
  }

  /**
   * Changes the fields of an object that `body` has, as a JSON merge patch (RFC 7386); lists are replaced
   * whole.
   */
  async patch({ kind, namespace, name }: ObjectName, body: object): Promise<void> {
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

  /**
   * Creates an object and returns it as stored. @throws KubeError 409 AlreadyExists when the name is taken
   */
  async create<T>(object: KubeObject, { signal }: Abortable = {}): Promise<T> {
    const { kind, metadata } = object;
    return this.#json<T>({
      verb: 'create',
      kind,
      method: 'POST',
      path: path(kind, metadata.namespace),
      query: { fieldManager: FIELD_MANAGER },
      body: object,
      signal,
    });
  }

  /**
   * Replaces an object and returns it as stored. @throws KubeError 409 when its resource version is not the
   * current one
   */
  async replace<T>(object: KubeObject, { signal }: Abortable = {}): Promise<T> {
    const { kind, metadata } = object;
    const target = path(kind, metadata.namespace, metadata.name);
    return this.#json<T>({
      verb: 'update',
      kind,
      method: 'PUT',
      path: target,
      body: object,
      signal,
    });
  }

  /**
   * Deletes this very object (by uid) with what it owns.
   * @throws KubeError 404 when it is gone, and 409 when another object has its name now
   * @throws TypeError when the object was never stored
   */
  async delete({ kind, metadata }: KubeObject): Promise<void> {
    const { name, namespace, uid } = metadata;
    if (uid === undefined) throw new TypeError(`delete ${kind} ${name}: the object has no uid`);
    await this.#json({
      verb: 'delete',
      kind,
      method: 'DELETE',
      path: path(kind, namespace, name),
      body: { propagationPolicy: 'Background', preconditions: { uid } },
    });
  }

  /** Sends a call and parses its answer. */
  #json<T>(call: Call): Promise<T> {
    return this.#limited(call.signal, async (limit) => {
      const { body } = await this.#send(call, limit);
      return (await body.json().catch((error) => {
        throw failure(call, error);
      })) as T;
    });
  }

  /**
   * Runs a step of a call, which is aborted with the caller's signal or at the time limit. The limit ends with the
   * step, so that it cannot abort what comes later.
   */
  async #limited<T>(
    signal: AbortSignal | undefined,
    step: (limit: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(timeout()), this.#options.requestTimeoutMs);
    try {
      return await step(signal ? AbortSignal.any([limit.signal, signal]) : limit.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Sends a call, and sends it again where the answer says when, as client-go does: a 429, or a 5xx with
   * `Retry-After`. A wait beyond the call's time limit is not begun: the refusal is thrown at once.
   */
  async #send(call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const deadline = performance.now() + this.#options.requestTimeoutMs;
    for (let attempt = 1; ; attempt++) {
      const response = await this.#request(call, signal).catch((error) => {
        throw failure(call, error);
      });
      const { statusCode, headers } = response;
      if (statusCode < 300) return response;
      const error = await refusal(call, response);
      const waitMs = retryAfterMs(statusCode, headers['retry-after']);
      const isLate = waitMs === undefined || performance.now() + waitMs > deadline;
      if (isLate || attempt === MAX_ATTEMPTS) throw error;
      await sleep(waitMs, undefined, { signal });
    }
  }

  async #request(call: Call, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
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
      signal,
      headersTimeout: 0,
      bodyTimeout: call.silenceMs ?? 0,
      dispatcher: this.#dispatcher(options),
    });
    this.#options.observe(call.verb, call.kind, response.statusCode);
    return response;
  }

  /**
   * Returns the one connection pool, or a new one when the certificates have changed: KubeConfig reads them
   * for each request.
   */
  #dispatcher({ ca, cert, key, servername, rejectUnauthorized }: RequestOptions): Agent {
    const identity = [ca, cert, key, servername, rejectUnauthorized].map(String).join('\n');
    if (this.#agent?.key === identity) return this.#agent.agent;
    void this.#agent?.agent.close();
    const connect = { ca, cert, key, servername, rejectUnauthorized };
    const agent = new Agent({
      connect: connect as object,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // undici's HTTP/2 takes a fifth more CPU for a request, and here none waits for a connection.
      allowH2: false,
    });
    this.#agent = { key: identity, agent };
    return agent;
  }
}

/**
 * Returns the milliseconds after which to send a refused call again; undefined when it is not to be sent
 * again.
 */
function retryAfterMs(code: number, header: string | string[] | undefined): number | undefined {
  if (code !== 429 && code < 500) return undefined;
  const seconds = Number.parseInt(String(header), 10);
  if (Number.isNaN(seconds)) return code === 429 ? 1000 : undefined;
  return seconds * 1000;
}

function timeout(): DOMException {
  return new DOMException('The call was aborted due to timeout', 'TimeoutError');
}

function requestName({ verb, path: target }: Call): string {
  return `${verb} ${target}`;
}

/** Makes the error of a call that got no answer, or only a part of one. */
function failure(call: Call, cause: unknown): Error {
  return new Error(`${requestName(call)}: ${(cause as Error).message}`, { cause });
}

async function refusal(call: Call, response: Dispatcher.ResponseData): Promise<KubeError> {
  const { statusCode: code } = response;
  const text = await response.body.text();
  try {
    const { reason, message } = JSON.parse(text) as FailureStatus;
    return new KubeError(requestName(call), { code, reason, message });
  } catch {
    // Not a Status object: a proxy in between, or a plain text error.
    return new KubeError(requestName(call), { code, message: text.slice(0, 500).trim() });
  }
}
