/**
 * The exports of a JavaScript module beside a model: `model.mjs` is a model, `plugin.mjs` goes around the model it lies
 * beside. Both run in the model's executor, a process of its own. Documented in docs/plugins.md.
 */
import type { Datatype, TensorData } from '../../protocol/v2/datatypes.ts';
import type { TensorMetadata } from '../../protocol/v2/types.ts';

/** A tensor without its name: BYTES are Buffers, FP16 and BF16 raw bits. */
export interface PluginTensor {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Tensors by their names. */
export type Tensors = Record<string, PluginTensor>;

/** Circumstances of a call of a module's function. */
export interface PluginContext {
  /** Folder of the model's version. */
  readonly dir: string;
  /** Value of `parameters` in the model's configuration. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Signal that is aborted when nobody wants the answer any more. */
  readonly signal: AbortSignal;
  /** Value that the module's `load` returned. */
  readonly state: unknown;
}

/** Exports of `model.mjs`, a model. */
export interface ModelModule {
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  load?(context: Omit<PluginContext, 'signal' | 'state'>): unknown;
  infer(inputs: Tensors, context: PluginContext): Tensors | Promise<Tensors>;
  explain?(inputs: Tensors, context: PluginContext): Tensors | Promise<Tensors>;
}

/**
 * Exports of `plugin.mjs`, a plugin around a model. Its `inputs` and `outputs` replace the model's where it changes
 * them.
 */
export interface PluginModule {
  readonly inputs?: readonly TensorMetadata[];
  readonly outputs?: readonly TensorMetadata[];
  load?(context: Omit<PluginContext, 'signal' | 'state'>): unknown;
  preprocess?(inputs: Tensors, context: PluginContext): Tensors | Promise<Tensors>;
  postprocess?(outputs: Tensors, context: PluginContext): Tensors | Promise<Tensors>;
  /** Explains an answer. @param infer runs the model, as often as it takes */
  explain?(
    inputs: Tensors,
    context: PluginContext,
    infer: (inputs: Tensors) => Promise<Tensors>,
  ): Tensors | Promise<Tensors>;
}
