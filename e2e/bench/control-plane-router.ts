/** The router of the control-plane bench, a real Envoy, and the two servers that its pods' addresses lead to. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Agent, createServer, request, type Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HTTP_PORT } from '../../operator/src/router/shared-resources.ts';
import { ROOT } from '../harness/cluster.ts';
import { type ClientTls, type RunningEnvoy, startEnvoy } from '../harness/envoy.ts';
import { eventually } from '../harness/load.ts';
import { run } from '../harness/shell.ts';
import { POD_ADDRESSES, POD_PORT, ROUTER } from './control-plane-cluster.ts';
import { XDS_PORT } from './control-plane-operator.ts';

const ADMIN_PORT = 19_901;
/** Milliseconds between two questions to the router: without load, it answers each in less than one. */
const POLL_MS = 1;
const ANSWER_WITHIN_MS = 10_000;
/** Milliseconds of silence after which the router has all that it is sent. */
const SILENCE_MS = 2000;
const SILENT_WITHIN_MS = 60_000;
/** Bytes between two looks up to which it is silence: a router's own load reports are acknowledged. */
const ACKNOWLEDGEMENT_BYTES = 2000;

export class BenchRouter {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #servers: Server[];
  readonly #binary: string;
  #envoy: RunningEnvoy | undefined;

  private constructor(binary: string, servers: Server[]) {
    this.#binary = binary;
    this.#servers = servers;
  }

  /** Makes the servers, each of which answers with its own address; the router is not started. */
  static async create(): Promise<BenchRouter> {
    const binary = (await run(join(ROOT, 'e2e/images/envoy'), [])).trim();
    const servers = POD_ADDRESSES.map((address) =>
      createServer((_, response) => response.end(address)).listen(POD_PORT, address),
    );
    await Promise.all(servers.map((server) => once(server, 'listening')));
    return new BenchRouter(binary, servers);
  }

  /** Starts a router that knows nothing; resolves when it is ready. */
  async start(tls: ClientTls): Promise<void> {
    this.#envoy = await startEnvoy(this.#binary, {
      xdsPort: XDS_PORT,
      name: ROUTER,
      adminPort: ADMIN_PORT,
      tls,
    });
  }

  /** Resolves when the process has ended and its ports are free. */
  async stop(): Promise<void> {
    const pid = this.#envoy?.pid;
    this.#envoy?.stop();
    this.#envoy = undefined;
    await eventually('Envoy has ended', () => !existsSync(`/proc/${pid}`));
  }

  /** Ends the servers as well. */
  async remove(): Promise<void> {
    await this.stop();
    this.#agent.destroy();
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
  }

  /** Bytes that the router has had from control planes since it was started. */
  async receivedBytes(): Promise<number> {
    const name = 'cluster.xds.upstream_cx_rx_bytes_total';
    const text = await (await fetch(`http://127.0.0.1:${ADMIN_PORT}/stats?filter=${name}`)).text();
    const value = Number(text.split(': ')[1]);
    if (!Number.isFinite(value)) throw new Error(`Envoy tells no ${name}: ${text}`);
    return value;
  }

  /**
   * Waits until the router is connected and is sent nothing more; returns what it has had by then.
   * @throws Error after a minute
   */
  async silent(): Promise<number> {
    const name = 'control_plane.connected_state';
    await eventually('the router is connected', async () => {
      const text = await (
        await fetch(`http://127.0.0.1:${ADMIN_PORT}/stats?filter=${name}`)
      ).text();
      return Number(text.split(': ')[1]) === 1;
    });
    const deadline = performance.now() + SILENT_WITHIN_MS;
    let bytes = await this.receivedBytes();
    for (let since = performance.now(); performance.now() - since < SILENCE_MS; ) {
      if (performance.now() > deadline) throw new Error('the router is sent more and more');
      await sleep(200);
      const now = await this.receivedBytes();
      if (now - bytes > ACKNOWLEDGEMENT_BYTES) since = performance.now();
      bytes = now;
    }
    return bytes;
  }

  /** Waits until requests for `host` are answered from `address`. @throws Error after ten seconds. */
  async answersFrom(address: string, host: string): Promise<void> {
    const deadline = performance.now() + ANSWER_WITHIN_MS;
    while ((await this.#answer(host)) !== address) {
      if (performance.now() > deadline) throw new Error(`${host} is not answered from ${address}`);
      await sleep(POLL_MS);
    }
  }

  #answer(host: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const asked = request({ port: HTTP_PORT, headers: { host }, agent: this.#agent });
      asked.on('error', reject);
      asked.on('response', (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
        response.on('error', reject);
      });
      asked.end();
    });
  }
}
