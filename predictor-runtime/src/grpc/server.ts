/** The V2 protocol over gRPC, with health and reflection: convert, delegate, convert. */
import { fileURLToPath } from 'node:url';
import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import type { DataPlane } from '../dataplane.ts';
import { ERROR_TABLE, InferenceError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { SERVER_METADATA } from '../server-metadata.ts';
import {
  decodeInferMessage,
  encodeInferMessage,
  encodeMetadata,
  type InferMessage,
} from './messages.ts';

const SERVICE = 'inference.GRPCInferenceService';
/** Beside the compiled file too: the build copies nothing, so both point at the source. */
const PROTO = fileURLToPath(new URL('../../src/grpc/inference.proto', import.meta.url));

export interface GrpcOptions {
  readonly dataPlane: DataPlane;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Larger messages are refused with RESOURCE_EXHAUSTED. */
  readonly maxBodyBytes: number;
}

interface Named {
  readonly name: string;
}

export class GrpcServer {
  readonly #options: GrpcOptions;
  readonly #server: Server;
  readonly #health = new HealthImplementation({ '': 'NOT_SERVING', [SERVICE]: 'NOT_SERVING' });

  constructor(options: GrpcOptions) {
    this.#options = options;
    this.#server = new Server({
      'grpc.max_receive_message_length': options.maxBodyBytes,
      'grpc.max_send_message_length': -1,
    });
    const definition = loadSync(PROTO, {
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

  /** Listens; returns the port. @throws Error when it cannot. */
  async listen(host: string, port: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
    return promise;
  }

  /** Tells the clients of grpc.health.v1. */
  setServing(serving: boolean): void {
    for (const service of ['', SERVICE]) {
      this.#health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING');
    }
  }

  /** Takes no new call and resolves when those under way are answered. */
  drain(): Promise<void> {
    this.setServing(false);
    return new Promise((resolve) => this.#server.tryShutdown(() => resolve()));
  }

  #methods(): UntypedServiceImplementation {
    const { dataPlane } = this.#options;
    return {
      ServerLive: this.#unary(() => ({ live: true })),
      ServerReady: this.#unary(() => ({ ready: dataPlane.notReadyReason() === undefined })),
      ModelReady: this.#unary(({ name }: Named) => ({
        ready: dataPlane.modelNotReadyReason(name) === undefined,
      })),
      ServerMetadata: this.#unary(() => SERVER_METADATA),
      ModelMetadata: this.#unary(({ name }: Named) => {
        const { platform, inputs, outputs } = dataPlane.metadata(name);
        return {
          name,
          platform,
          inputs: inputs.map(encodeMetadata),
          outputs: outputs.map(encodeMetadata),
        };
      }),
      ModelInfer: this.#unary((message: InferMessage) => this.#infer(message)),
    };
  }

  async #infer(message: InferMessage): Promise<object> {
    const { dataPlane, metrics } = this.#options;
    const { model_name: name } = message;
    // Metric labels come from the models that exist, never from what a caller invents.
    dataPlane.modelNotReadyReason(name);
    if (message.model_version !== '') {
      const text = `model '${name}' has no version '${message.model_version}'`;
      throw new InferenceError('NOT_FOUND', text);
    }
    const start = performance.now();
    let code = 200;
    try {
      const request = decodeInferMessage(message);
      const response = await dataPlane.infer(name, request);
      return encodeInferMessage(response, request.binaryOutputs);
    } catch (error) {
      code = ERROR_TABLE[error instanceof InferenceError ? error.code : 'INTERNAL'].http;
      throw error;
    } finally {
      metrics.inference(name, code, (performance.now() - start) / 1000);
    }
  }

  #unary<Request>(
    method: (request: Request) => object | Promise<object>,
  ): handleUnaryCall<Request, object> {
    return async ({ request }, callback) => {
      try {
        callback(null, await method(request));
      } catch (error) {
        const known = error instanceof InferenceError;
        if (!known) this.#options.log.error('call failed', { error: (error as Error).stack });
        const details = known ? error.message : 'internal error; the server log has the details';
        callback({ code: ERROR_TABLE[known ? error.code : 'INTERNAL'].grpc, details });
      }
    };
  }
}
