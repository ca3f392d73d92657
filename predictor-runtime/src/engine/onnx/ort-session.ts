/** A loaded ONNX model in this process: its signature, and runs that can be stopped. */
import { containerCpus } from '../../platform/container.ts';
import { datatypeOfOnnx } from '../../protocol/v2/datatypes.ts';
import type { Tensor, TensorMetadata } from '../../protocol/v2/types.ts';
import type { Engine, RunOptions } from '../engine.ts';
import { BoundRun } from './bound-run.ts';
import { appendProviders } from './execution-providers.ts';
import { dropOptimized, keepOptimized, optimizedModel } from './optimized-model.ts';
import {
  cString,
  libraryVersion,
  OrtError,
  type OrtFunction,
  ort,
  ortAsync,
  ortInt,
  ortOut,
  type Pointer,
  readString,
  release,
} from './ort-api.ts';
import {
  CPU_MEMORY,
  DEFAULT_ALLOCATOR,
  dimensions,
  fromValue,
  ONNX_TYPE,
  toValue,
} from './ort-value.ts';
import { Pace } from './pace.ts';
import type { Provider } from './provider-choice.ts';

export interface SessionOptions {
  /** Threads of one run. */
  readonly threads: number;
  /** Short runs may take the calling thread: only where nothing but such models runs on it. */
  readonly mayBlock?: boolean;
  /** Ceiling of the memory that runs of all sessions of this process may take, in bytes; 0 is none. */
  readonly arenaBytes: number;
  /** First choice first; the CPU if none is given. */
  readonly executionProviders?: readonly Provider[];
  /** Where optimised models are kept for the next start; absent when they are not. */
  readonly optimizedModelDir?: string;
}

/** ORT_DISABLE_ALL: what is loaded was optimised before. */
const NO_OPTIMIZATION = 0;
/** ORT_LOGGING_LEVEL_FATAL: every error reaches its caller as a status. */
const LOG_FATAL = 4;
let environment: Promise<Pointer> | undefined;

/** The process's environment; its arena is made with the first session. Takes 30 ms, off the event loop. */
function environmentOf(options: SessionOptions): Promise<Pointer> {
  environment ??= createEnvironment(options);
  return environment;
}

async function createEnvironment({ arenaBytes }: SessionOptions): Promise<Pointer> {
  const out = new BigUint64Array(1);
  await ortAsync('CreateEnv', LOG_FATAL, 'wherry', out);
  const created = out[0] as Pointer;
  if (arenaBytes > 0) {
    const keys = BigUint64Array.of(cString('max_mem'));
    const arena = ortOut('CreateArenaCfgV2', keys, BigUint64Array.of(BigInt(arenaBytes)), 1);
    const provider = 'CPUExecutionProvider';
    ort('CreateAndRegisterAllocatorV2', created, provider, CPU_MEMORY, arena, null, null, 0);
  }
  return created;
}

/** Arguments of one run for ONNX Runtime: names as C strings, values by their addresses. */
interface RunArguments {
  readonly inputNames: BigUint64Array;
  readonly feeds: BigUint64Array;
  readonly inputCount: number;
  readonly outputNames: BigUint64Array;
  readonly results: BigUint64Array;
  readonly outputCount: number;
}

/** Lists of names that are kept; clients ask for the same few. */
const MAX_NAME_LISTS = 100;

/** Shapes of requests whose tensors have a fixed place. */
const MAX_BOUND_RUNS = 8;

function sizeOf(tensors: readonly Tensor[]): number {
  let size = 0;
  for (const { data } of tensors) size += Array.isArray(data) ? data.length : data.byteLength;
  return size;
}

export class OrtSession implements Engine {
  readonly explains = false;
  readonly parallelRuns: number;
  readonly platform = 'onnxruntime_onnx';
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  readonly #session: Pointer;
  /** C strings, made once. */
  readonly #names = new Map<string, Pointer>();

  readonly #mayBlock: boolean;
  readonly #nameLists = new Map<string, BigUint64Array>();
  readonly #bound: BoundRun[] = [];
  /** How many more there may be. */
  #boundLeft = MAX_BOUND_RUNS;
  readonly #pace = new Pace();

  private constructor(
    session: Pointer,
    { mayBlock, parallelRuns }: Pick<OrtSession, 'parallelRuns'> & { mayBlock: boolean },
  ) {
    this.#session = session;
    this.#mayBlock = mayBlock;
    this.parallelRuns = parallelRuns;
    this.inputs = [
      ...values(session, 'Input'),
      ...values(session, 'OverridableInitializer').map((input) => ({ ...input, optional: true })),
    ];
    this.outputs = values(session, 'Output');
    for (const { name } of [...this.inputs, ...this.outputs]) this.#names.set(name, cString(name));
  }

  /** Loads a model file off the event loop. @throws OrtError with ONNX Runtime's reason. */
  static async open(path: string, options: SessionOptions): Promise<OrtSession> {
    const { optimizedModelDir: dir, executionProviders = [] } = options;
    if (dir === undefined) return OrtSession.#create(path, options);
    const about = [libraryVersion(), ...executionProviders];
    const cached = await optimizedModel(dir, path, about);
    if (cached.exists) {
      try {
        return await OrtSession.#create(cached.path, { ...options, isOptimized: true });
      } catch {
        await dropOptimized(cached);
      }
    }
    const session = await OrtSession.#create(path, { ...options, draft: cached.draft });
    await keepOptimized(cached);
    return session;
  }

  static async #create(
    path: string,
    options: SessionOptions & { readonly isOptimized?: boolean; readonly draft?: string },
  ): Promise<OrtSession> {
    const env = await environmentOf(options);
    const settings = ortOut('CreateSessionOptions');
    const out = new BigUint64Array(1);
    let devices: Provider[];
    try {
      ort('SetIntraOpNumThreads', settings, options.threads);
      // Spinning threads take the time of the other models and of this process's own loop.
      ort('AddSessionConfigEntry', settings, 'session.intra_op.allow_spinning', '0');
      // Without it, 8-bit kernels overflow on CPUs that lack VNNI: other answers on other nodes, for some speed.
      ort('AddSessionConfigEntry', settings, 'session.x64quantprecision', '1');
      if (options.arenaBytes > 0) {
        ort('AddSessionConfigEntry', settings, 'session.use_env_allocators', '1');
      }
      if (options.isOptimized) ort('SetSessionGraphOptimizationLevel', settings, NO_OPTIMIZATION);
      if (options.draft !== undefined) ort('SetOptimizedModelFilePath', settings, options.draft);
      devices = appendProviders(settings, options.executionProviders ?? []);
      await ortAsync('CreateSession', env, path, settings, out);
    } finally {
      release('ReleaseSessionOptions', settings);
    }
    const session = out[0] as Pointer;
    try {
      return new OrtSession(session, {
        mayBlock: options.mayBlock ?? false,
        // One run at a time has all of a device.
        parallelRuns: devices.length > 0 ? 1 : Math.floor(containerCpus() / options.threads) || 1,
      });
    } catch (error) {
      release('ReleaseSession', session);
      throw error;
    }
  }

  /** Runs the model on the calling thread; undefined where that would hold it up, or might. @throws OrtError. */
  runNow(inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] | undefined {
    const bytes = sizeOf(inputs);
    if (!this.#mayBlock || !this.#pace.isShort(bytes)) return undefined;
    const started = performance.now();
    const bound = this.#bound.find((run) => run.fits(inputs, outputs));
    const results =
      bound === undefined
        ? this.#runFirst(inputs, outputs)
        : this.#runBound(bound, inputs, outputs);
    this.#pace.took({ ms: performance.now() - started, bytes, here: true });
    return results;
  }

  /** Where the run fails only because its outputs have other shapes this time, tensors have no fixed place from now on. */
  #runBound(run: BoundRun, inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] {
    run.fill(inputs);
    try {
      run.call(this.#session);
      return run.read();
    } catch {
      // Fails again when it is the request's fault: that costs the others nothing.
      const tensors = this.#runHere(inputs, outputs);
      this.#bound.splice(this.#bound.indexOf(run), 1);
      this.#boundLeft = 0;
      run.close();
      return tensors;
    }
  }

  /** Gives the tensors of runs like this one a fixed place, where all outputs have a value. */
  #runFirst(inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] {
    const tensors = this.#runHere(inputs, outputs);
    if (this.#boundLeft === 0 || tensors.length !== outputs.length) return tensors;
    const inputNames = this.#namesOf(inputs.map(({ name }) => name));
    const bound = BoundRun.like(inputs, tensors, {
      inputNames,
      outputNames: this.#namesOf(outputs),
    });
    if (bound !== undefined) {
      this.#boundLeft--;
      this.#bound.push(bound);
    }
    return tensors;
  }

  #runHere(inputs: readonly Tensor[], outputs: readonly string[]): Tensor[] {
    const run = this.#prepare(inputs, outputs);
    try {
      ort('Run', ...this.#arguments(run, null));
      return this.#results(run, outputs);
    } finally {
      this.#release(run);
    }
  }

  /**
   * Runs the model off the event loop. An output that has no value is left out.
   * @throws OrtError, also when `signal` stopped it: ONNX Runtime looks between two nodes.
   */
  async run(
    inputs: readonly Tensor[],
    outputs: readonly string[],
    { signal }: RunOptions,
  ): Promise<Tensor[]> {
    const run = this.#prepare(inputs, outputs);
    try {
      const started = performance.now();
      await this.#runElsewhere(run, signal);
      this.#pace.took({ ms: performance.now() - started, bytes: sizeOf(inputs), here: false });
      return this.#results(run, outputs);
    } finally {
      this.#release(run);
    }
  }

  #prepare(inputs: readonly Tensor[], outputs: readonly string[]): RunArguments {
    return {
      inputNames: this.#namesOf(inputs.map(({ name }) => name)),
      outputNames: this.#namesOf(outputs),
      inputCount: inputs.length,
      outputCount: outputs.length,
      feeds: BigUint64Array.from(inputs, toValue),
      results: new BigUint64Array(outputs.length),
    };
  }

  #results({ results }: RunArguments, names: readonly string[]): Tensor[] {
    return names
      .map((name, i) => fromValue(name, results[i] as Pointer))
      .filter((tensor) => tensor !== undefined);
  }

  #release({ feeds, results }: RunArguments): void {
    for (const value of [...feeds, ...results]) release('ReleaseValue', value as Pointer);
  }

  async #runElsewhere(run: RunArguments, signal: AbortSignal | undefined): Promise<void> {
    const options = ortOut('CreateRunOptions');
    const stop = () => ort('RunOptionsSetTerminate', options);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      await ortAsync('Run', ...this.#arguments(run, options));
    } finally {
      signal?.removeEventListener('abort', stop);
      release('ReleaseRunOptions', options);
    }
  }

  #arguments(run: RunArguments, options: Pointer | null) {
    const { inputNames, feeds, inputCount, outputNames, results, outputCount } = run;
    return [
      this.#session,
      options,
      inputNames,
      feeds,
      inputCount,
      outputNames,
      outputCount,
      results,
    ] as const;
  }

  /** Frees the model. No run may be under way. */
  close(): void {
    for (const run of this.#bound) run.close();
    release('ReleaseSession', this.#session);
  }

  #namesOf(names: readonly string[]): BigUint64Array {
    const key = names.join('\0');
    const known = this.#nameLists.get(key);
    if (known !== undefined) return known;
    const list = BigUint64Array.from(names, (name) => this.#names.get(name) ?? cString(name));
    if (this.#nameLists.size < MAX_NAME_LISTS) this.#nameLists.set(key, list);
    return list;
  }
}

function values(
  session: Pointer,
  what: 'Input' | 'Output' | 'OverridableInitializer',
): TensorMetadata[] {
  const count = Number(ortOut(`SessionGet${what}Count`, session));
  return Array.from({ length: count }, (_, i) => {
    const text = ortOut(`SessionGet${what}Name`, session, i, DEFAULT_ALLOCATOR);
    const name = readString(text);
    ort('AllocatorFree', DEFAULT_ALLOCATOR, text);
    const info = ortOut(`SessionGet${what}TypeInfo`, session, i);
    try {
      return { name, ...describe(name, info, what) };
    } finally {
      release('ReleaseTypeInfo', info);
    }
  });
}

type Description = Pick<TensorMetadata, 'datatype' | 'shape'>;

/** The type of a value as one tensor; see `fromValue` for how the other kinds become one. */
function describe(name: string, info: Pointer, what: string): Description {
  const kind = ortInt('GetOnnxTypeFromTypeInfo', info);
  if (kind === ONNX_TYPE.tensor) return describeTensor(name, info);
  if (what !== 'Output') {
    throw new OrtError(
      `input '${name}' is no tensor, and the V2 protocol carries nothing else: export the model with plain tensors`,
    );
  }
  switch (kind) {
    case ONNX_TYPE.sequence: {
      const sequence = ortOut('CastTypeInfoToSequenceTypeInfo', info);
      const element = inner(name, 'GetSequenceElementType', sequence);
      return { datatype: element.datatype, shape: [-1, ...element.shape] };
    }
    case ONNX_TYPE.map: {
      const map = ortOut('CastTypeInfoToMapTypeInfo', info);
      return { datatype: inner(name, 'GetMapValueType', map).datatype, shape: [-1] };
    }
    case ONNX_TYPE.optional: {
      const optional = ortOut('CastTypeInfoToOptionalTypeInfo', info);
      return inner(name, 'GetOptionalContainedTypeInfo', optional);
    }
    default:
      throw new OrtError(`output '${name}' is of a kind that the V2 protocol cannot carry`);
  }
}

function inner(name: string, get: OrtFunction, container: Pointer): Description {
  const info = ortOut(get, container);
  try {
    return describe(name, info, 'Output');
  } finally {
    release('ReleaseTypeInfo', info);
  }
}

function describeTensor(name: string, info: Pointer): Description {
  const tensor = ortOut('CastTypeInfoToTensorInfo', info);
  const element = ortInt('GetTensorElementType', tensor);
  const type = datatypeOfOnnx(element);
  if (type === undefined) {
    throw new OrtError(`'${name}' has element type ${element}, which the V2 protocol cannot carry`);
  }
  return { datatype: type, shape: dimensions(tensor) };
}
