/** Models and plugins in JavaScript: the functions of a module become an engine. */
import { pathToFileURL } from 'node:url';
import { isDatatype } from '../../protocol/v2/datatypes.ts';
import { elementCount, type Tensor, type TensorMetadata } from '../../protocol/v2/types.ts';
import type { Engine, RunOptions } from '../engine.ts';
import type {
  ModelModule,
  PluginContext,
  PluginModule,
  PluginTensor,
  Tensors,
} from './plugin-api.ts';

/** A module, and what it is told of its model. */
export interface ModuleOptions {
  readonly path: string;
  /** Folder of the model's version. */
  readonly dir: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Opens a model that is a module. @throws Error when the module exports no model. */
export async function openModelModule(options: ModuleOptions): Promise<Engine> {
  const module = (await import(pathToFileURL(options.path).href)) as Partial<ModelModule>;
  const { inputs, outputs, infer, explain } = module;
  if (typeof infer !== 'function' || !isSignature(inputs) || !isSignature(outputs)) {
    throw new Error(
      'the module must export inputs, outputs (name, datatype, shape) and a function infer',
    );
  }
  const contextOf = await load(module, options);
  return {
    platform: 'javascript',
    inputs,
    outputs,
    explains: explain !== undefined,
    parallelRuns: 1,
    async run(tensors, names, { signal, method = 'infer' }) {
      const run = method === 'explain' && explain !== undefined ? explain : infer;
      const results = await run(toModule(tensors), contextOf(signal));
      return fromModule(results, method === 'explain' ? Object.keys(results) : names);
    },
    close: () => undefined,
  };
}

/** Opens a plugin around an engine. @throws Error when the module exports nothing that is called. */
export async function openPlugin(engine: Engine, options: ModuleOptions): Promise<Engine> {
  const module = (await import(pathToFileURL(options.path).href)) as PluginModule;
  const { preprocess, postprocess, explain } = module;
  if (!preprocess && !postprocess && !explain) {
    throw new Error('the module must export preprocess, postprocess or explain');
  }
  const { inputs = engine.inputs, outputs = engine.outputs } = module;
  if (!isSignature(inputs) || !isSignature(outputs)) {
    throw new Error('inputs and outputs must be arrays of name, datatype and shape');
  }
  return new PluginEngine(engine, module, await load(module, options));
}

/** Runs a model between the functions of a plugin. */
class PluginEngine implements Engine {
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  readonly tabular: Engine['tabular'];
  readonly explains: boolean;
  readonly parallelRuns: number;
  readonly #engine: Engine;
  readonly #module: PluginModule;
  readonly #contextOf: ContextFactory;
  /** Outputs that the model gives without being asked for them. */
  readonly #always: readonly string[];

  constructor(engine: Engine, module: PluginModule, contextOf: ContextFactory) {
    this.#engine = engine;
    this.#module = module;
    this.#contextOf = contextOf;
    this.platform = engine.platform;
    this.inputs = module.inputs ?? engine.inputs;
    this.outputs = module.outputs ?? engine.outputs;
    this.tabular = module.inputs === undefined ? engine.tabular : undefined;
    this.explains = module.explain !== undefined;
    this.parallelRuns = engine.parallelRuns;
    this.#always = engine.outputs.filter(({ onRequest }) => !onRequest).map(({ name }) => name);
  }

  async run(
    tensors: readonly Tensor[],
    names: readonly string[],
    options: RunOptions,
  ): Promise<Tensor[]> {
    const given = toModule(tensors);
    const { explain } = this.#module;
    if (options.method !== 'explain' || explain === undefined) {
      return fromModule(await this.#infer(given, options, names), names);
    }
    const results = await explain(given, this.#contextOf(options.signal), (more) =>
      this.#infer(more, options, []),
    );
    return fromModule(results, Object.keys(results));
  }

  close(): void {
    this.#engine.close();
  }

  /** Runs the model between `preprocess` and `postprocess`. @param names outputs that the caller asks for */
  async #infer(given: Tensors, { signal }: RunOptions, names: readonly string[]): Promise<Tensors> {
    const { preprocess, postprocess } = this.#module;
    const { inputs, outputs, tabular } = this.#engine;
    const context = this.#contextOf(signal);
    const ready = preprocess === undefined ? given : await preprocess(given, context);
    // A model of rows and columns takes inputs of any name.
    const accepted = tabular === undefined ? inputs.map(({ name }) => name) : Object.keys(ready);
    const feeds = fromModule(
      ready,
      accepted.filter((name) => name in ready),
    );
    const asked = outputs.filter(({ name, onRequest }) => onRequest && names.includes(name));
    const wanted = [...this.#always, ...asked.map(({ name }) => name)];
    const results = toModule(await this.#engine.run(feeds, wanted, { signal }));
    return postprocess === undefined ? results : postprocess(results, context);
  }
}

/** Makes the context of one call of a module's functions. */
type ContextFactory = (signal?: AbortSignal) => PluginContext;

/** Runs the module's `load` and returns what makes the context of a call. */
async function load(
  module: Pick<ModelModule, 'load'>,
  { dir, parameters }: ModuleOptions,
): Promise<ContextFactory> {
  const state = await module.load?.({ dir, parameters });
  const never = new AbortController().signal;
  return (signal = never) => ({ dir, parameters, state, signal });
}

function isSignature(value: unknown): value is TensorMetadata[] {
  return (
    Array.isArray(value) &&
    value.every(
      ({ name, datatype, shape }) =>
        typeof name === 'string' && isDatatype(datatype) && Array.isArray(shape),
    )
  );
}

function toModule(tensors: readonly Tensor[]): Tensors {
  return Object.fromEntries(tensors.map(({ name, ...tensor }) => [name, tensor]));
}

/** Takes tensors out of what a module returned. @throws Error when a tensor is missing, or is no tensor. */
function fromModule(tensors: Tensors, names: readonly string[]): Tensor[] {
  return names.map((name) => {
    const tensor = tensors?.[name];
    if (tensor === undefined) throw new Error(`the module gave no tensor '${name}'`);
    check(name, tensor);
    return { name, ...tensor };
  });
}

function check(name: string, { datatype, shape, data }: PluginTensor): void {
  const isTensor = isDatatype(datatype) && Array.isArray(shape) && typeof data === 'object';
  if (!isTensor || data.length !== elementCount(shape)) {
    throw new Error(
      `the module's tensor '${name}' must have a datatype, a shape and as many elements as the shape says`,
    );
  }
}
