/** The listeners of one process: REST always, gRPC and the management API when they are asked for. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../platform/log.ts';
import type { ModelManager } from '../serving/manager.ts';
import type { ModelRepository } from '../serving/repository/repository.ts';
import { readTokens } from '../transport/access/gate.ts';
import type { GrpcServer } from '../transport/grpc/server.ts';
import type { TransportOptions } from '../transport/options.ts';
import type { RestOptions } from '../transport/rest/reply.ts';
import { restServer } from '../transport/rest/server.ts';
import type { Config } from './config.ts';

/** Ports that a server listens on; they differ from the configured ones where these are 0. */
export interface Ports {
  readonly httpPort: number;
  /** Port of gRPC; undefined when it is not served. */
  readonly grpcPort: number | undefined;
  /** Port of the management API; undefined when it is not served. */
  readonly managementPort: number | undefined;
}

/** Everything that listeners are made of. */
export interface ListenerOptions {
  readonly config: Config;
  readonly rest: RestOptions;
  readonly manager: ModelManager;
  readonly repository: ModelRepository;
  readonly log: Logger;
}

interface Servers {
  readonly rest: Server;
  readonly grpc: { readonly server: GrpcServer; readonly port: number } | undefined;
  readonly management: Server | undefined;
}

/** Takes requests until it is drained. */
export class Listeners {
  readonly #servers: Servers;

  private constructor(servers: Servers) {
    this.#servers = servers;
  }

  /** Listens on all ports that the flags name. @throws Error when a port cannot be listened on. */
  static async open(options: ListenerOptions): Promise<Listeners> {
    const { config } = options;
    const rest = restServer(options.rest);
    rest.listen(config.httpPort, config.host);
    await once(rest, 'listening');
    try {
      const grpc = await startGrpc(options.rest, config);
      return new Listeners({ rest, grpc, management: await startManagement(options) });
    } catch (error) {
      rest.close();
      throw error;
    }
  }

  get ports(): Ports {
    const { rest, grpc, management } = this.#servers;
    return {
      httpPort: portOf(rest),
      grpcPort: grpc?.port,
      managementPort: management && portOf(management),
    };
  }

  /** Tells gRPC's health clients whether the server can serve. */
  setServing(serving: boolean): void {
    this.#servers.grpc?.server.setServing(serving);
  }

  /** Takes no new connection, and resolves when the requests under way are answered. */
  async drain(): Promise<void> {
    const { rest, grpc, management } = this.#servers;
    await Promise.all([closed(rest), grpc?.server.drain(), management && closed(management)]);
  }
}

/** Starts gRPC when it is asked for; its module costs time that REST alone need not spend. */
async function startGrpc(
  options: TransportOptions,
  { grpcPort, host }: Config,
): Promise<Servers['grpc']> {
  if (grpcPort === undefined) return undefined;
  const { GrpcServer } = await import('../transport/grpc/server.ts');
  const server = new GrpcServer(options);
  return { server, port: await server.listen(host, grpcPort) };
}

/** Starts the management API when it is asked for, and loads its module only then. */
async function startManagement(options: ListenerOptions): Promise<Server | undefined> {
  const { managementPort: port, managementHost: host, managementTokenFile: file } = options.config;
  if (port === undefined || file === undefined) return undefined;
  const { manager, repository, log } = options;
  const { listenForManagement } = await import('../transport/management/server.ts');
  const tokens = readTokens(file);
  return listenForManagement({ manager, repository, log, tokens }, { port, host });
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function closed(server: Server): Promise<unknown> {
  server.close();
  return once(server, 'close');
}
