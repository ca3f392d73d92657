/** The V2 protocol over gRPC, with health and reflection: convert, delegate, convert. */
import type {
  handleUnaryCall,
  Metadata,
  Server,
  ServiceDefinition,
  UntypedServiceImplementation,
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
import type { Call } from './http2/call.ts';
import { GrpcHttp2Server } from './http2/server.ts';
import type { StreamingCall } from './http2/streaming-call.ts';
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

/** Part of a call that an inference needs. */
type InferCall = Pick<GrpcCall, 'header' | 'getDeadline'>;

/** Part of a call that decides whether it is let in. */
interface Admitted {
  readonly metadata: Metadata;
  getPath(): string;
}

/** Serves the V2 protocol over gRPC. */
export class GrpcServer {
  readonly #options: TransportOptions;
  readonly #server: GrpcHttp2Server;
  readonly #health = new HealthImplementation({ '': 'NOT_SERVING', [SERVICE]: 'NOT_SERVING' });

  constructor(options: TransportOptions) {
    this.#options = options;
    const { maxBodyBytes: maxMessageBytes, tls } = options;
    this.#server = new GrpcHttp2Server({ maxMessageBytes, tls });
    const definition = loadSync('inference.proto', {
      includeDirs: [PROTOS],
      keepCase: true,
      longs: String,
      enums: String,
      defaults: true,
      oneofs: true,
    });
    this.#server.addService(definition[SERVICE] as ServiceDefinition, this.#methods());
    // Both libraries add a service, and ask nothing else of a server.
    const services = this.#server as Pick<Server, 'addService'> as Server;
    this.#health.addToServer(services);
    new ReflectionService(definition).addToServer(services);
  }

  /** Listens, and returns the port. @throws Error when it cannot. */
  listen(host: string, port: number): Promise<number> {
    return this.#server.listen(host, port);
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
    return this.#server.drain();
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
      ModelInfer: this.#unary(async (message: InferMessage, call) => {
        const answer = await this.#infer(message, call, new GrpcCaller(call));
        // After an error a run that was given up may still read the request.
        call.release();
        return answer;
      }),
      ModelStreamInfer: (call: unknown) => this.#stream(call as StreamingCall),
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

  #infer(message: InferMessage, call: InferCall, caller: Caller): Promise<object> {
    const { dataPlane, envelope } = this.#options;
    const name = message.model_name;
    const choice = parseVersionChoice(message.model_version);
    const target = {
      verb: 'infer',
      model: name,
      choice,
      caller,
      deadlineAt: deadlineOf(call),
      header: (key: string) => call.header(key),
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

  #stream(call: StreamingCall): void {
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
    method: (request: Request, call: Call) => Immediate<object>,
  ): handleUnaryCall<Request, object> {
    return async (unary, callback) => {
      const call = unary as unknown as Call;
      try {
        await this.#admit(call, unary.request);
        callback(null, await method(unary.request, call));
      } catch (error) {
        callback(this.#statusOf(error));
      }
    };
  }

  async #admit(call: Admitted, request: unknown): Promise<void> {
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
