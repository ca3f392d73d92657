/** The data plane: what the server can be asked, with no transport in it. */

import type { RequestTrace } from './platform/tracing.ts';
import { InferenceError, invalid } from './protocol/errors.ts';
import { checkBatch, checkRequest } from './protocol/v2/check.ts';
import { classify } from './protocol/v2/classification.ts';
import { show } from './protocol/v2/elements.ts';
import type {
  InferRequest,
  InferResponse,
  ModelMetadata,
  Parameters,
  Tensor,
} from './protocol/v2/types.ts';
import type { VersionChoice } from './protocol/versions.ts';
import type { Immediate } from './serving/immediate.ts';
import type { ModelManager } from './serving/manager.ts';
import type { Model } from './serving/model.ts';
import type { ModelRepository } from './serving/repository/repository.ts';
import { toTriton } from './serving/repository/triton-answer.ts';
import type { Caller, Job } from './serving/scheduling/job.ts';
import { cacheKey, type ResponseCache } from './serving/scheduling/response-cache.ts';
import type { Servable } from './serving/servable.ts';

/** Parts that the data plane asks. */
export interface DataPlaneOptions {
  readonly manager: ModelManager;
  readonly repository: ModelRepository;
  readonly cache: ResponseCache;
}

/**
 * Metadata of a model and its versions. Source: V2, "Model Metadata"; the versions are those that can be asked for now.
 */
export interface VersionedMetadata extends ModelMetadata {
  readonly versions: readonly string[];
}

/** A loaded version, as its statistics are read. */
export interface VersionStatistics {
  readonly name: string;
  readonly version: number;
  readonly model: Model;
}

/** The model that a request is for. */
export interface Target {
  readonly name: string;
  readonly choice: VersionChoice;
}

/** Circumstances of a request that its body does not say. */
export interface InferOptions {
  /** Caller that waits for the answer; a run is stopped when nobody does. */
  readonly caller?: Caller;
  /** Time that the caller waits, in ms; undefined for as long as it takes. */
  readonly timeoutMs?: number;
  /** Trace that the stages of the run are told to; undefined when the request is not traced. */
  readonly trace?: RequestTrace;
}

/** Answers what a server can be asked, whatever transport asks it. */
export class DataPlane {
  readonly #options: DataPlaneOptions;
  #draining = false;

  constructor(options: DataPlaneOptions) {
    this.#options = options;
  }

  /** Makes the server not ready from now on; requests are still answered. */
  drain(): void {
    this.#draining = true;
  }

  get draining(): boolean {
    return this.#draining;
  }

  modelNames(): string[] {
    return this.#options.manager.names();
  }

  /** Returns why the server is not ready; undefined when it is. */
  notReadyReason(): string | undefined {
    if (this.#draining) return 'the server is shutting down';
    return this.#options.repository.notReadyReason();
  }

  /** Returns why a model cannot serve; undefined when it can. @throws InferenceError NOT_FOUND. */
  modelNotReadyReason(name: string, choice: VersionChoice = {}): string | undefined {
    return this.#options.manager.notReadyReason(name, choice);
  }

  /** Returns the metadata of a loaded model. @throws InferenceError NOT_FOUND, MODEL_NOT_READY. */
  metadata(name: string, choice: VersionChoice = {}): VersionedMetadata {
    const { manager } = this.#options;
    const { metadata } = manager.get(name, choice).model;
    const available = manager.servables(name).filter(({ phase }) => phase === 'available');
    return { ...metadata, versions: available.map(({ version }) => String(version)) };
  }

  /** Returns the number of the version that a choice means now. @throws InferenceError NOT_FOUND, MODEL_NOT_READY. */
  version(name: string, choice: VersionChoice = {}): number {
    return this.#options.manager.get(name, choice).version;
  }

  /** Lists all versions of a model, each with its phase. */
  versions(name: string): readonly Servable[] {
    return this.#options.manager.servables(name);
  }

  /** Returns the versions of a model by their labels. */
  labels(name: string): Readonly<Record<string, number>> {
    return this.#options.manager.labels(name);
  }

  /**
   * Returns the names of an output's classes; none when it has none.
   * @throws InferenceError NOT_FOUND, MODEL_NOT_READY.
   */
  classLabels(name: string, output: string, choice: VersionChoice): readonly string[] {
    return this.#options.manager.get(name, choice).model.classLabels(output);
  }

  /** Returns a model's configuration in full, in Triton's form. @throws InferenceError NOT_FOUND, MODEL_NOT_READY. */
  config(name: string, choice: VersionChoice = {}): Record<string, unknown> {
    const { config, metadata } = this.#options.manager.get(name, choice).model;
    return toTriton(config, metadata);
  }

  /**
   * Lists what has statistics: one version, the loaded versions of a model, or those of all models.
   * @throws InferenceError NOT_FOUND.
   */
  statistics(name?: string, choice?: VersionChoice): VersionStatistics[] {
    const { manager } = this.#options;
    const isOne = choice?.version !== undefined || choice?.label !== undefined;
    if (name !== undefined && isOne) return [{ name, ...manager.get(name, choice) }];
    if (name !== undefined) manager.notReadyReason(name);
    const names = name === undefined ? manager.names() : [name];
    return names.flatMap((model) =>
      manager
        .servables(model)
        .filter(({ phase }) => phase === 'available')
        .map(({ version, model: loaded }) => ({ name: model, version, model: loaded as Model })),
    );
  }

  /**
   * Answers an inference request.
   * @throws InferenceError NOT_FOUND, MODEL_NOT_READY, INVALID_ARGUMENT, OVERLOADED, DEADLINE_EXCEEDED, CANCELLED,
   *   MODEL_FAILED.
   */
  infer(
    { name, choice }: Target,
    request: InferRequest,
    options: InferOptions = {},
  ): Immediate<InferResponse> {
    return this.#options.manager.use(name, choice, (model, version) => {
      check(request, model);
      const respond = (tensors: readonly Tensor[]): InferResponse => ({
        modelName: name,
        modelVersion: String(version),
        id: request.id,
        outputs: tensors.map((tensor) => classified(tensor, request, model)),
      });
      const job = jobOf(request, options);
      const tensors = model.config.responseCache
        ? this.#cached(model, version, job)
        : model.infer(job);
      return tensors instanceof Promise ? tensors.then(respond) : respond(tensors);
    });
  }

  /**
   * Asks a model to explain itself; the answer's outputs are what its module made of the request.
   * @throws InferenceError UNIMPLEMENTED when the model has no explainer; otherwise the codes that `infer` has.
   */
  explain(
    { name, choice }: Target,
    request: InferRequest,
    options: InferOptions = {},
  ): Immediate<InferResponse> {
    return this.#options.manager.use(name, choice, async (model, version) => {
      if (!model.explains) {
        throw new InferenceError('UNIMPLEMENTED', `model '${name}' has no explainer`);
      }
      check(request, model);
      const job: Job = { ...jobOf(request, options), outputs: [], method: 'explain' };
      const outputs = await model.infer(job);
      return { modelName: name, modelVersion: String(version), id: request.id, outputs };
    });
  }

  async #cached(model: Model, version: number, job: Job): Promise<Tensor[]> {
    const started = performance.now();
    const key = cacheKey(`${model.metadata.name}/${version}`, job.inputs, job.outputs);
    // The run may serve other callers too: this one's leaving must not stop it.
    const shared = { ...job, caller: undefined };
    const { outputs, hit } = await this.#options.cache.get(key, async () => model.infer(shared));
    const took = performance.now() - started;
    model.statistics.add(hit ? 'cache_hit' : 'cache_miss', took);
    if (hit) model.statistics.add('success', took);
    return outputs;
  }
}

/** Checks a request against the signature of a model and its batch. @throws InferenceError INVALID_ARGUMENT. */
function check(request: InferRequest, { config, metadata }: Model): void {
  checkRequest(request, metadata);
  if (config.maxBatchSize > 0) checkBatch(request.inputs, metadata.name);
}

const NONE: Parameters = {};

/** Makes a request a job, with what its reserved parameters say. Source: Triton, schedule policy extension. */
function jobOf(
  { inputs, outputs, parameters = NONE }: InferRequest,
  { caller, timeoutMs, trace }: InferOptions,
): Job {
  refuseReserved(parameters);
  const priority = wholeNumber(parameters, 'priority');
  const timeoutUs = wholeNumber(parameters, 'timeout');
  return {
    inputs,
    outputs: outputs.map(({ name }) => name),
    caller,
    priority,
    timeoutMs,
    ownTimeoutMs: timeoutUs && timeoutUs / 1000,
    trace,
  };
}

/** Names that begin so are the protocol's own; of those, only this one is for requests. Source: Triton, parameters. */
const RESERVED = 'triton_';
const FOR_REQUESTS = 'triton_enable_empty_final_response';

function refuseReserved(parameters: Parameters): void {
  for (const name in parameters) {
    if (name.startsWith(RESERVED) && name !== FOR_REQUESTS) {
      throw invalid(`parameters.${name}: names that begin with '${RESERVED}' are reserved`);
    }
  }
}

/** Reads a parameter that is a whole number, which may be written as text; those beyond 2^53 are rounded. */
function wholeNumber(parameters: Parameters, name: string): number | undefined {
  const value: unknown = parameters[name];
  if (value === undefined) return undefined;
  const isWhole = typeof value === 'bigint' || Number.isInteger(value) || isDigits(value);
  if (isWhole && Number(value) >= 0) return Number(value);
  throw invalid(`parameters.${name}: expected a whole number of at least 0, got ${show(value)}`);
}

function isDigits(value: unknown): boolean {
  return typeof value === 'string' && /^\d+$/.test(value);
}

function classified(tensor: Tensor, request: InferRequest, model: Model): Tensor {
  const { classification } = request.outputs.find(({ name }) => name === tensor.name) ?? {};
  if (classification === undefined) return tensor;
  return classify(tensor, {
    count: classification,
    labels: model.classLabels(tensor.name),
    batched: hasBatch(tensor.name, model),
  });
}

/** True when the first dimension of an output is a batch: as the configuration says, or else as its shape does. */
function hasBatch(output: string, { config, metadata }: Model): boolean {
  if (config.isUnbatched) return false;
  if (config.maxBatchSize > 0) return true;
  const shape = metadata.outputs.find(({ name }) => name === output)?.shape ?? [];
  return shape.length > 1 && shape[0] === -1;
}
