/**
 * The loader of a model: from the folder of a version to executors with a queue before them, whatever the model's
 * format.
 */

import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { ExecutorPool } from '../engine/executor-pool.ts';
import { isHarmless } from '../engine/onnx/onnx-graph.ts';
import {
  chooseDevice,
  type DeviceChoice,
  type Provider,
  surroundings,
} from '../engine/onnx/provider-choice.ts';
import { formatOf, isModelFile, MODEL_EXTENSIONS } from '../formats/format.ts';
import { filesBelow } from '../platform/files-below.ts';
import type { Logger } from '../platform/log.ts';
import { ModelLoadError } from '../protocol/errors.ts';
import { checkRequest } from '../protocol/v2/check.ts';
import type { ModelMetadata, TensorMetadata } from '../protocol/v2/types.ts';
import { LoadedModel } from './loaded-model.ts';
import type { Loader, Model } from './model.ts';
import type { DeclaredTensor, ModelConfig } from './repository/model-config.ts';
import type { ConcurrencyLimit } from './scheduling/concurrency-limit.ts';
import { type WarmupRequest, warmupRequests } from './warmup.ts';

/** Settings of execution that every model of this server shares. */
export interface ExecutionSettings {
  /** Threads of one run. */
  readonly threads: number;
  /** Number of runs that one executor may have under way. */
  readonly concurrency: number;
  /** Limit of the requests that all models run at once; absent where there is none. */
  readonly limit?: ConcurrencyLimit;
  /** Ceiling of the memory that runs of one executor may take, in bytes; 0 is none. */
  readonly arenaBytes: number;
  /** Execution providers of ONNX models, first choice first. */
  readonly executionProviders: readonly Provider[];
  /** Folder where ONNX models are kept as they were optimised; absent when they are not. */
  readonly optimizedModelDir?: string;
  /** Resident memory, in bytes, beyond which an executor's process is replaced; 0 is none. */
  readonly executorMemoryBytes: number;
  /** True when a model that has probabilities answers them (KServe's PREDICT_PROBA). */
  readonly predictProba: boolean;
  /** True when modules beside a model may run: they are code of whoever wrote the model. */
  readonly allowModelCode: boolean;
  readonly log: Logger;
}

/** One version of a model, and how it is to be loaded. */
export interface ModelLoaderOptions {
  readonly name: string;
  /** Folder of the model; `dir` is the version's, which may be the same. Both may be the model's one file. */
  readonly modelDir: string;
  readonly dir: string;
  readonly config: ModelConfig;
  readonly execution: ExecutionSettings;
}

/** Memory of a session, as a multiple of its file. Source: TensorFlow Serving. */
const FILE_TO_MEMORY = 1.2;
/** Memory of a process with the engine in it, before it loads anything, in bytes. */
const PROCESS_BYTES = 64 << 20;

/** Size above which a file takes longer to read than the calling thread may be held up, in bytes. */
const MAX_INLINE_TABULAR_BYTES = 256 << 10;

/** Loads one version of a model. */
export class ModelLoader implements Loader {
  readonly #options: ModelLoaderOptions;

  constructor(options: ModelLoaderOptions) {
    this.#options = options;
  }

  async estimate(): Promise<number> {
    const { dir, config } = this.#options;
    const path = await findModelFile(dir, config.file);
    let bytes = 0;
    for (const file of await filesBelow(dir)) bytes += (await stat(file)).size;
    const inline = (await this.#placement(path)) === 'inline';
    const copies = inline ? 1 : config.workers;
    return Math.ceil(copies * (bytes * FILE_TO_MEMORY + (inline ? 0 : PROCESS_BYTES)));
  }

  async load(): Promise<Model> {
    const { name, modelDir, dir, config, execution } = this.#options;
    const path = await findModelFile(dir, config.file);
    const plugin = await findPlugin(dir, modelDir);
    if ((plugin !== undefined || formatOf(path) === 'javascript') && !execution.allowModelCode) {
      throw new ModelLoadError(
        `the model brings code, ${plugin ?? path}: start the server with --allow_model_code to let it run`,
      );
    }
    const { device, providers } = deviceOf(path, config, execution);
    const pool = await ExecutorPool.start({
      executor: {
        path,
        plugin,
        dir: path === dir ? dirname(path) : dir,
        parameters: config.parameters,
        threads: config.threads ?? execution.threads,
        arenaBytes: execution.arenaBytes,
        predictProba: execution.predictProba,
        executionProviders: providers,
        graphOptimization: config.graphOptimization,
        optimizedModelDir: execution.optimizedModelDir,
        memoryBytes: execution.executorMemoryBytes,
      },
      concurrency: execution.concurrency,
      workers: config.workers,
      placement: plugin === undefined ? await this.#placement(path) : 'process',
      log: execution.log,
    });
    try {
      const { platform, inputs, outputs, tabular } = pool.signature;
      const metadata = { name, platform, inputs, outputs, tabular };
      checkDeclared(config, metadata);
      for (const request of await warmupRequests({ modelDir, config, metadata })) {
        await warmUp(pool, request, metadata);
      }
      const labels = await readClassLabels(modelDir, config.outputs);
      const { limit } = execution;
      return new LoadedModel({ metadata, config: { ...config, device }, pool, labels, limit });
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  async #placement(path: string): Promise<'inline' | 'process'> {
    const { placement } = this.#options.config;
    const format = formatOf(path);
    if (format === 'javascript') return 'process';
    if (placement !== 'auto') return placement;
    if (format === 'onnx') return (await isHarmless(path)) ? 'inline' : 'process';
    return (await stat(path)).size <= MAX_INLINE_TABULAR_BYTES ? 'inline' : 'process';
  }
}

/** Chooses the device of a model, as its configuration wants it. @throws ModelLoadError when it is not there. */
function deviceOf(
  path: string,
  { device, source }: ModelConfig,
  { executionProviders }: ExecutionSettings,
): DeviceChoice {
  const wanted: readonly Provider[] = formatOf(path) === 'onnx' ? executionProviders : [];
  const choice = chooseDevice(device, wanted, surroundings());
  if (choice !== undefined) return choice;
  throw new ModelLoadError(
    `${source ?? 'configuration'}: instance_group: KIND_GPU, but there is no GPU for ${path}: use KIND_CPU or KIND_AUTO, or give the server a GPU and --execution_providers`,
  );
}

/** Runs a warm-up request on every executor. @throws ModelLoadError that names the request. */
async function warmUp(
  pool: ExecutorPool,
  { name, inputs, outputs }: WarmupRequest,
  metadata: ModelMetadata,
): Promise<void> {
  try {
    checkRequest({ inputs, outputs: [], binaryOutputs: false }, metadata);
    await pool.dispatchToEach(inputs, outputs);
  } catch (error) {
    throw new ModelLoadError(`warm-up request '${name}' failed: ${(error as Error).message}`);
  }
}

/** Name of the module that goes around the model beside it. */
const PLUGIN = 'plugin.mjs';

/** Finds the plugin of a version, or that of all versions; undefined when there is none. */
async function findPlugin(...dirs: readonly string[]): Promise<string | undefined> {
  for (const dir of dirs) {
    const path = join(dir, PLUGIN);
    if ((await stat(path).catch(() => undefined))?.isFile()) return path;
  }
  return undefined;
}

/**
 * Finds the model's file: what lies at the path itself or, in a version's folder, the one that the configuration names,
 * `model.*`, or the only one. It may be a folder that holds the model and its external data (Triton).
 * @throws ModelLoadError that says what the folder holds.
 */
async function findModelFile(dir: string, wanted?: string): Promise<string> {
  const found = await stat(dir).catch((error: Error) => {
    throw new ModelLoadError(`model folder ${dir} cannot be read: ${error.message}`);
  });
  if (found.isFile()) {
    if (isModelFile(dir, basename(dir))) return notEmpty(dir, found.size);
    throw new ModelLoadError(`${dir} is no model file (${MODEL_EXTENSIONS.join(' ')})`);
  }
  const entries = await readdir(dir);
  const candidates = entries.filter((name) => isModelFile(join(dir, name), name)).sort();
  const preferred = candidates.filter((name) => name.startsWith('model.'));
  const file = wanted ?? preferred[0] ?? candidates[0];
  if (file === undefined || (wanted !== undefined && !entries.includes(wanted))) {
    const there = entries.length === 0 ? 'it is empty' : `it holds ${entries.slice(0, 10)}`;
    const what = wanted ?? `model file (${MODEL_EXTENSIONS.join(' ')})`;
    throw new ModelLoadError(`no ${what} in ${dir}: ${there}`);
  }
  const rivals = preferred.length > 0 ? preferred : candidates;
  if (wanted === undefined && rivals.length > 1) {
    throw new ModelLoadError(
      `${rivals.length} model files in ${dir} (${rivals}): keep one, or name one of them model${extname(file)}`,
    );
  }
  const path = join(dir, file);
  const chosen = await stat(path);
  return chosen.isDirectory() ? findModelFile(path) : notEmpty(path, chosen.size);
}

/** Returns the path of a file. @throws ModelLoadError when there is nothing in it. */
function notEmpty(path: string, size: number): string {
  if (size > 0) return path;
  throw new ModelLoadError(`${path} is an empty file`);
}

/** Checks that the model's tensors are what the configuration says of them. @throws ModelLoadError. */
function checkDeclared(config: ModelConfig, metadata: ModelMetadata): void {
  for (const kind of ['inputs', 'outputs'] as const) {
    for (const declared of config[kind]) {
      const actual = metadata[kind].find(({ name }) => name === declared.name);
      const problem =
        actual === undefined
          ? `the model has ${metadata[kind].map(({ name }) => `'${name}'`).join(', ')}`
          : mismatch(declared, actual, config.maxBatchSize > 0);
      if (problem !== undefined) {
        throw new ModelLoadError(`${config.source}: ${kind} '${declared.name}': ${problem}`);
      }
    }
  }
  const unbatched = [...metadata.inputs, ...metadata.outputs].find(({ shape }) => shape[0] !== -1);
  if (config.maxBatchSize > 0 && unbatched !== undefined) {
    throw new ModelLoadError(
      `max_batch_size is ${config.maxBatchSize}, but '${unbatched.name}' has shape [${unbatched.shape}], whose first dimension is no batch`,
    );
  }
}

function mismatch(
  declared: DeclaredTensor,
  actual: TensorMetadata,
  batched: boolean,
): string | undefined {
  if (declared.datatype !== undefined && declared.datatype !== actual.datatype) {
    return `is ${actual.datatype} in the model, not ${declared.datatype}`;
  }
  if (declared.optional && !actual.optional) return 'is not optional in the model';
  if (declared.dims === undefined) return undefined;
  const dims = batched ? [-1, ...declared.dims] : declared.dims;
  const fits =
    dims.length === actual.shape.length &&
    dims.every((dim, i) => dim === -1 || actual.shape[i] === -1 || dim === actual.shape[i]);
  return fits ? undefined : `has shape [${actual.shape}] in the model, not [${dims}]`;
}

async function readClassLabels(
  modelDir: string,
  outputs: readonly DeclaredTensor[],
): Promise<Map<string, readonly string[]>> {
  const labels = new Map<string, readonly string[]>();
  for (const { name, labelFile } of outputs) {
    if (labelFile === undefined) continue;
    const path = join(modelDir, labelFile);
    const text = await readFile(path, 'utf8').catch((error: Error) => {
      throw new ModelLoadError(`label_filename of '${name}': ${error.message}`);
    });
    labels.set(name, text.trimEnd().split(/\r?\n/));
  }
  return labels;
}
