/** An ensemble: a directed acyclic graph of models that answers one request. Source: Triton, "Ensemble Models". */

import { InferenceError, ModelLoadError } from '../protocol/errors.ts';
import { checkBatch } from '../protocol/v2/check.ts';
import type { ModelMetadata, Tensor, TensorMetadata } from '../protocol/v2/types.ts';
import type { ModelManager } from './manager.ts';
import type { Loader, Model } from './model.ts';
import type { DeclaredTensor, EnsembleStep, ModelConfig } from './repository/model-config.ts';
import type { Job } from './scheduling/job.ts';
import { Statistics } from './scheduling/statistics.ts';

/** An ensemble as its configuration has it, and the manager that lends its models. */
export interface EnsembleOptions {
  readonly name: string;
  readonly config: ModelConfig;
  readonly manager: ModelManager;
}

/** Loads an ensemble, which takes no memory of its own. */
export class EnsembleLoader implements Loader {
  readonly #options: EnsembleOptions;

  constructor(options: EnsembleOptions) {
    this.#options = options;
  }

  async estimate(): Promise<number> {
    return 0;
  }

  async load(): Promise<Model> {
    const { name, config } = this.#options;
    const metadata: ModelMetadata = {
      name,
      platform: 'ensemble',
      inputs: config.inputs.map((tensor) => declaredMetadata(tensor, config)),
      outputs: config.outputs.map((tensor) => declaredMetadata(tensor, config)),
    };
    checkGraph(metadata, config.ensemble ?? []);
    return new EnsembleModel(this.#options, metadata);
  }
}

function declaredMetadata(tensor: DeclaredTensor, config: ModelConfig): TensorMetadata {
  const { name, datatype, dims } = tensor;
  if (datatype === undefined || dims === undefined) {
    throw new ModelLoadError(
      `${config.source}: ensemble tensor '${name}' needs data_type and dims`,
    );
  }
  return { name, datatype, shape: config.maxBatchSize > 0 ? [-1, ...dims] : dims };
}

/** Checks that every tensor comes from somewhere, once, and that the steps have an order. @throws ModelLoadError. */
function checkGraph(metadata: ModelMetadata, steps: readonly EnsembleStep[]): void {
  const known = new Set(metadata.inputs.map(({ name }) => name));
  const waiting = new Set(steps);
  for (const { outputs, model } of steps) {
    for (const tensor of Object.values(outputs)) {
      const makers = steps.filter((step) => Object.values(step.outputs).includes(tensor));
      if (makers.length > 1 || metadata.inputs.some(({ name }) => name === tensor)) {
        throw new ModelLoadError(`ensemble tensor '${tensor}' of step '${model}' is made twice`);
      }
    }
  }
  for (let moved = true; moved; ) {
    moved = false;
    for (const step of waiting) {
      if (!Object.values(step.inputs).every((tensor) => known.has(tensor))) continue;
      for (const tensor of Object.values(step.outputs)) known.add(tensor);
      waiting.delete(step);
      moved = true;
    }
  }
  const [stuck] = waiting;
  if (stuck !== undefined) {
    const missing = Object.values(stuck.inputs).filter((tensor) => !known.has(tensor));
    throw new ModelLoadError(
      `ensemble step '${stuck.model}' needs ${missing.map((t) => `'${t}'`).join(', ')}, which nothing before it makes`,
    );
  }
  const absent = metadata.outputs.find(({ name }) => !known.has(name));
  if (absent !== undefined) {
    throw new ModelLoadError(`ensemble output '${absent.name}' is made by no step`);
  }
}

class EnsembleModel implements Model {
  readonly metadata: ModelMetadata;
  readonly config: ModelConfig;
  readonly statistics = new Statistics();
  readonly pending = 0;
  readonly explains = false;
  readonly #manager: ModelManager;

  constructor({ config, manager }: EnsembleOptions, metadata: ModelMetadata) {
    this.metadata = metadata;
    this.config = config;
    this.#manager = manager;
  }

  classLabels(): readonly string[] {
    return [];
  }

  memoryUsage(): number {
    return 0;
  }

  workers(): [] {
    return [];
  }

  async scale(): Promise<void> {
    throw new InferenceError('INVALID_ARGUMENT', 'an ensemble has no executors: scale its models');
  }

  async infer(job: Job): Promise<Tensor[]> {
    const started = performance.now();
    try {
      const tensors = await this.#run(job);
      const took = performance.now() - started;
      const [first] = job.inputs;
      const rows = this.config.maxBatchSize > 0 ? (first?.shape[0] ?? 1) : 1;
      this.statistics.ran(rows, 1, { input: 0, infer: took, output: 0 });
      this.statistics.add('queue', 0);
      this.statistics.add('success', took);
      const wanted =
        job.outputs.length > 0 ? job.outputs : this.metadata.outputs.map(({ name }) => name);
      return wanted.map((name) => ({ ...(tensors.get(name) as Tensor), name }));
    } catch (error) {
      this.statistics.failed('BACKEND', performance.now() - started);
      throw error;
    }
  }

  /** Runs each step as soon as its tensors are there; the first failure is the request's. */
  async #run(job: Job): Promise<Map<string, Tensor>> {
    const tensors = new Map(job.inputs.map((input) => [input.name, input]));
    const waiting = new Set(this.config.ensemble ?? []);
    const running = new Set<Promise<void>>();
    for (;;) {
      for (const step of waiting) {
        if (!Object.values(step.inputs).every((name) => tensors.has(name))) continue;
        waiting.delete(step);
        const run = this.#runStep(step, tensors, job).finally(() => running.delete(run));
        running.add(run);
      }
      if (running.size === 0) return tensors;
      await Promise.race(running);
    }
  }

  async #runStep(step: EnsembleStep, tensors: Map<string, Tensor>, job: Job): Promise<void> {
    const inputs = Object.entries(step.inputs).map(([name, tensor]) => ({
      ...(tensors.get(tensor) as Tensor),
      name,
    }));
    const outputs = Object.keys(step.outputs);
    const results = await this.#manager.use(step.model, { version: step.version }, (model) => {
      if (model.config.maxBatchSize > 0) checkBatch(inputs, step.model);
      return model.infer({ ...job, inputs, outputs });
    });
    for (const result of results) tensors.set(step.outputs[result.name] as string, result);
  }

  async close(): Promise<void> {}
}
