/** Runs the control plane on a thread of its own, with commands that go to it and facts that come back. */
import { once } from 'node:events';
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { RouteChange } from '../api/route-table.ts';
import type { RouterFact } from '../api/router-fact.ts';
import type { TlsCredentials } from '../certificates/issue.ts';
import type { HoldRefusal } from './hold.ts';
import type { Release } from './releases.ts';
import type { ListenerOptions } from './shared-resources.ts';
import type { ControlCommand, ControlEvent } from './thread.ts';

/** The listeners of the routers, and who hears what the control plane's thread tells. */
export interface RouterControlOptions {
  readonly listener?: ListenerOptions;
  /** Called with what has just become known about the routers. */
  readonly onFacts: (facts: readonly RouterFact[]) => void;
  /** Called with the first request of a revision that is let go after some had to wait. */
  readonly onRelease?: (release: Release) => void;
  /** Called with each refusal of a request that waits. */
  readonly onRefusal?: (refusal: HoldRefusal) => void;
  /** Called when the thread has failed: no router is told anything any more. */
  readonly onFailure: (error: Error) => void;
}

/** Milliseconds that the thread has to end by itself. */
const CLOSE_MS = 2000;

/** The routers' control plane as the main thread uses it. */
export class RouterControl {
  readonly #worker: Worker;
  #loopDelay: PromiseWithResolvers<number> | undefined;
  #listening: PromiseWithResolvers<number> | undefined;
  #isClosed = false;

  /** Starts the thread; it serves no router before `listen` and the first `update`. */
  constructor({ listener, onFacts, onRelease, onRefusal, onFailure }: RouterControlOptions) {
    // It has this file's own extension: .ts in the sources, .js when built.
    const entry = new URL(`./thread${extname(import.meta.url)}`, import.meta.url);
    this.#worker = new Worker(entry, { workerData: listener, name: 'routers' });
    this.#worker.on('message', (event: ControlEvent) => {
      if (event.kind === 'facts') onFacts(event.facts);
      else if (event.kind === 'released') onRelease?.(event.release);
      else if (event.kind === 'refusal') onRefusal?.(event.refusal);
      else if (event.kind === 'loopDelay') this.#tellLoopDelay(event.seconds);
      else if (event.kind === 'listening') this.#listening?.resolve(event.port);
      else this.#listening?.reject(new Error(event.error));
    });
    this.#worker.on('error', onFailure);
    this.#worker.on('exit', (code) => {
      if (!this.#isClosed) onFailure(new Error(`the control plane's thread ended with ${code}`));
    });
  }

  /**
   * Listens for routers on `address` (host:port), with mutual TLS when `tls` is given, and returns the port.
   * Routers are served once the first update has been taken in. @throws Error when it cannot listen.
   */
  async listen(address: string, tls?: TlsCredentials): Promise<number> {
    this.#listening = Promise.withResolvers();
    this.#send({ kind: 'listen', address, tls });
    return this.#listening.promise;
  }

  /** Uses other certificates for every connection from now on. */
  renew(tls: TlsCredentials): void {
    this.#send({ kind: 'renew', tls });
  }

  /**
   * Changes what every router is to have. The first update must hold all services: routers lose what it
   * lacks.
   */
  update(changes: readonly RouteChange[]): void {
    this.#send({ kind: 'update', changes });
  }

  /** Tells when routers end, by address, in milliseconds since 1970; requests do not wait there until then. */
  routersEnd(ends: ReadonlyMap<string, number>): void {
    this.#send({ kind: 'routersEnd', ends });
  }

  /** Asks for all that is known, which `onFacts` then gets. */
  tellAgain(): void {
    this.#send({ kind: 'facts' });
  }

  /** Returns the delay of the thread's event loop since the last call: its 99th percentile, in seconds. */
  async takeLoopDelay(): Promise<number> {
    if (this.#loopDelay === undefined) {
      this.#loopDelay = Promise.withResolvers();
      this.#send({ kind: 'loopDelay' });
    }
    return this.#loopDelay.promise;
  }

  /** Ends the thread and with it all streams; `onFailure` is not called. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const ended = once(this.#worker, 'exit');
    // To terminate it in the middle of its streams aborts the whole process (Node 24.21: http2 reads on without a reader).
    this.#send({ kind: 'close' });
    const late = setTimeout(() => this.#worker.terminate(), CLOSE_MS);
    await ended;
    clearTimeout(late);
  }

  /** Resolves the one promise that all callers of `takeLoopDelay` since the question share. */
  #tellLoopDelay(seconds: number): void {
    this.#loopDelay?.resolve(seconds);
    this.#loopDelay = undefined;
  }

  #send(command: ControlCommand): void {
    this.#worker.postMessage(command);
  }
}
