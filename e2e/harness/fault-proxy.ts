/** A proxy before an API server that breaks what passes where a test asks for it; on loopback, plain HTTP inside. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo } from 'node:net';

/** What a client gets in place of the server's answer. */
export interface Fault {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body: object | string;
}

/** Decides what becomes of a request; undefined passes it on. The request waits while this does. */
export type FaultDecision = (url: URL) => Fault | undefined | Promise<Fault | undefined>;

export class FaultProxy {
  /** Every request that came, in order. */
  readonly requests: URL[] = [];
  /** Is asked about every request. */
  decide: FaultDecision = () => undefined;
  readonly #agent: Agent;
  readonly #server: Server;
  readonly #target: string;

  /** Use `startFaultProxy`. */
  constructor(target: string, ca: string) {
    this.#target = target;
    this.#agent = new Agent({ ca, keepAlive: true });
    this.#server = createServer((incoming, answer) => void this.#handle(incoming, answer));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts every connection in the middle of whatever it carries. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  close(): void {
    this.#server.close();
    this.cut();
    this.#agent.destroy();
  }

  async #handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '', this.#target);
    this.requests.push(url);
    const fault = await this.decide(url);
    if (fault !== undefined) {
      const { status, headers = {}, body } = fault;
      answer.writeHead(status, { 'content-type': 'application/json', ...headers });
      answer.end(typeof body === 'string' ? body : JSON.stringify(body));
      return;
    }
    const { method, headers } = incoming;
    const outgoing = request(url, { method, headers, agent: this.#agent }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      // A watch's answer begins before its first event.
      answer.flushHeaders();
      response.pipe(answer);
      response.on('error', () => answer.destroy());
    });
    outgoing.on('error', () => answer.destroy());
    answer.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  }
}

/** Starts a proxy before the API server at `target`, whose certificate `ca` vouches for. */
export async function startFaultProxy(target: string, ca: string): Promise<FaultProxy> {
  const proxy = new FaultProxy(target, ca);
  await proxy.listen();
  return proxy;
}
