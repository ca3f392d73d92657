/** The V2 protocol over gRPC, with health and reflection: convert, delegate, convert. */

import { isIPv6 } from 'node:net';
import {
  type handleUnaryCall,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { packageFile } from '../../platform/package-files.ts';
import { InferenceError, invalid } from '../../protocol/errors.ts';
import { logSettings, setLogSettings } from '../../protocol/v2/logging.ts';
import { SERVER_METADATA } from '../../protocol/v2/server-metadata.ts';
import { parseVersionChoice } from '../../protocol/versions.ts';
import type { Immediate } from '../../serving/immediate.ts';
import type { Caller } from '../../serving/scheduling/job.ts';
import { refusalOf, statusesOf } from '../call.ts';
import type { TransportOptions } from '../options.ts';
import { loadOverride, refuseRepositoryName, unloadOptions } from '../repository-parameters.ts';
import { statisticsOf } from '../statistics.ts';
import { deadlineOf, type GrpcCall, GrpcCaller } from './caller.ts';
import {
  decodeInferMessage,
  decodeParameters,
  encodeInferMessage,
  encodeMetadata,
  type InferMessage,
  type ParameterMap,
} from './messages.ts';
import { answerStream } from './stream.ts';

const SERVICE = 'inference.GRPCInferenceService';
const PROTOS = packageFile('src/transport/grpc/');

interface Named {
  readonly name: string;
  readonly version: string;
}

interface IndexRequest {
  readonly repository_name: string;
  readonly ready: boolean;
}

interface RepositoryRequest {
  readonly repository_name: string;
  readonly model_name: string;
  readonly parameters: ParameterMap;
}

/** Serves the V2 protocol over gRPC. */
export class GrpcServer {
  readonly #options: TransportOptions;
  readonly #server: Server;
  readonly #health = new HealthImplementation({ '': 'NOT_SERVING', [SERVICE]: 'NOT_SERVING' });

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#server = new Server({
      'grpc.max_receive_message_length': options.maxBodyBytes,
      'grpc.max_send_message_length': -1,
    });
    const definition = loadSync('inference.proto', {
      includeDirs: [PROTOS],
      keepCase: true,
      longs: String,
      enums: String,
      defaults: true,
      oneofs: true,
    });
    this.#server.addService(definition[SERVICE] as ServiceDefinition, this.#methods());
    this.#health.addToServer(this.#server);
    new ReflectionService(definition).addToServer(this.#server);
  }

  /** Listens, and returns the port. @throws Error when it cannot. */
  async listen(host: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const { tls } = this.#options;
    const credentials =
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(
            tls.ca ?? null,
            [{ private_key: tls.key, cert_chain: tls.cert }],
            tls.ca !== undefined,
          );
    this.#server.bindAsync(authority(host, port), credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
    return promise;
  }

  /** Tells the clients of grpc.health.v1 whether the server can serve. */
  setServing(serving: boolean): void {
    for (const service of ['', SERVICE]) {
      this.#health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING');
    }
  }

  /** Takes no new call, and resolves when those under way are answered. */
  drain(): Promise<void> {
    this.setServing(false);
    return new Promise((resolve) => this.#server.tryShutdown(() => resolve()));
  }

  #methods(): UntypedServiceImplementation {
    const { dataPlane } = this.#options;
    return {
      ServerLive: this.#unary(() => ({ live: true })),
      ServerReady: this.#unary(() => ({ ready: dataPlane.notReadyReason() === undefined })),
      ModelReady: this.#unary((model: Named) => ({ ready: this.#isModelReady(model) })),
      ServerMetadata: this.#unary(() => SERVER_METADATA),
      ModelMetadata: this.#unary(({ name, version }: Named) => {
        const { inputs, outputs, ...about } = dataPlane.metadata(name, parseVersionChoice(version));
        return {
          ...about,
          inputs: inputs.map(encodeMetadata),
          outputs: outputs.map(encodeMetadata),
        };
      }),
      ModelInfer: this.#unary((message: InferMessage, call) =>
        this.#infer(message, call, new GrpcCaller(call)),
      ),
      ModelStreamInfer: (call: ServerDuplexStream<InferMessage, object>) => this.#stream(call),
      ModelConfig: this.#unary(({ name, version }: Named) => ({
        config: dataPlane.config(name, parseVersionChoice(version)),
      })),
      ModelStatistics: this.#unary(({ name, version }: Named) => ({
        model_stats: dataPlane
          .statistics(name || undefined, parseVersionChoice(version))
          .map(statisticsOf),
      })),
      ...this.#repositoryMethods(),
      LogSettings: this.#unary(({ settings }: { settings: ParameterMap }) => {
        setLogSettings(this.#options.log, decodeParameters(settings));
        return { settings: encodeSettings(logSettings(this.#options.log)) };
      }),
    };
  }

  /** Says whether a model can serve. One that nobody knows cannot: clients wait for it to come (Triton). */
  #isModelReady({ name, version }: Named): boolean {
    const { dataPlane } = this.#options;
    try {
      return dataPlane.modelNotReadyReason(name, parseVersionChoice(version)) === undefined;
    } catch (error) {
      if (error instanceof InferenceError && error.code === 'NOT_FOUND') return false;
      throw error;
    }
  }

  #repositoryMethods(): UntypedServiceImplementation {
    const { repository } = this.#options;
    return {
      RepositoryIndex: this.#unary(async ({ ready, repository_name }: IndexRequest) => {
        refuseRepositoryName(repository_name);
        const models = await repository.index();
        return { models: ready ? models.filter(({ state }) => state === 'READY') : models };
      }),
      RepositoryModelLoad: this.#unary(async (request: RepositoryRequest) => {
        refuseRepositoryName(request.repository_name);
        const parameters = decodeParameters(request.parameters);
        await repository.load(request.model_name, loadOverride(parameters, bytesParam));
        return {};
      }),
      RepositoryModelUnload: this.#unary(async (request: RepositoryRequest) => {
        refuseRepositoryName(request.repository_name);
        const options = unloadOptions(decodeParameters(request.parameters));
        await repository.unload(request.model_name, options);
        return {};
      }),
    };
  }

  #infer(message: InferMessage, call: GrpcCall, caller: Caller): Promise<object> {
    const { dataPlane, envelope } = this.#options;
    const name = message.model_name;
    const choice = parseVersionChoice(message.model_version);
    const target = {
      verb: 'infer',
      model: name,
      choice,
      caller,
      deadlineAt: deadlineOf(call),
      header: (key: string) => call.metadata.get(key)[0] as string | undefined,
    } as const;
    return envelope.answer(target, {
      receive: () => message,
      answer: async (received, options) => {
        const request = decodeInferMessage(received);
        const response = await dataPlane.infer({ name, choice }, request, options);
        return encodeInferMessage(response, request.binaryOutputs);
      },
    });
  }

  #stream(call: ServerDuplexStream<InferMessage, object>): void {
    const caller = new GrpcCaller(call);
    answerStream(call, {
      answer: async (message) => {
        await this.#admit(call, message);
        return this.#infer(message, call, caller);
      },
      explain: (error) => this.#statusOf(error).details,
    });
  }

  #unary<Request>(
    method: (request: Request, call: ServerUnaryCall<Request, object>) => Immediate<object>,
  ): handleUnaryCall<Request, object> {
    return async (call, callback) => {
      try {
        await this.#admit(call, call.request);
        callback(null, await method(call.request, call));
      } catch (error) {
        callback(this.#statusOf(error));
      }
    };
  }

  async #admit(call: { metadata: Metadata; getPath(): string }, request: unknown): Promise<void> {
    const { gate } = this.#options;
    if (gate.isOpen) return;
    const { name, model_name = name } = request as { name?: string; model_name?: string };
    const path = call.getPath();
    const headers = call.metadata.getMap() as Record<string, string>;
    const method = path.slice(path.lastIndexOf('/') + 1);
    await gate.admit({ transport: 'grpc', method, path, headers, model: model_name || undefined });
  }

  /** Translates what a method threw into the status that ends its call. */
  #statusOf(error: unknown): { code: number; details: string } {
    const { log, overloadStatus } = this.#options;
    const { code, message } = refusalOf(error, log);
    return { code: statusesOf(code, overloadStatus).grpc, details: message };
  }
}

/** Writes a host and a port as one text, in which an IPv6 address has brackets. Source: RFC 3986, 3.2.2. */
function authority(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Reads the content of a file. @throws InferenceError INVALID_ARGUMENT when it is in another field than bytes. */
function bytesParam(content: unknown, path: string): Buffer {
  if (Buffer.isBuffer(content)) return content;
  throw invalid(`${path}: expected bytes_param`);
}

function encodeSettings(settings: object): object {
  const field = { boolean: 'bool_param', number: 'uint32_param', string: 'string_param' };
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      name,
      { [field[typeof value as keyof typeof field]]: value },
    ]),
  );
}
