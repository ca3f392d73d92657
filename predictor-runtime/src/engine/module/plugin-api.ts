/**
 * What a JavaScript module beside a model may export: `model.mjs` is a model, `plugin.mjs` goes around the model it
 * lies beside. Both run in the model's executor, a process of its own. Documented in docs/plugins.md.
 */
import type { Datatype, TensorData } from '../../protocol/v2/datatypes.ts';
import type { TensorMetadata } from '../../protocol/v2/types.ts';

/** A tensor without its name: BYTES are Buffers, FP16 and BF16 raw bits. */
export interface PluginTensor {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Tensors by name. */
export type Tensors = Record<string, PluginTensor>;

/** What every function of a module is given. */
export interface PluginContext {
  /** Folder of the model's version. */
  readonly dir: string;
  /** `parameters` of the model's configuration. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Aborted when nobody wants the answer any more. */
  readonly signal: AbortSignal;
  /** What `load` returned. */
  readonly state: unknown;
}

/** `model.mjs` */
export interface ModelModule {
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  load?(context: Omit<PluginContext, 'signal' | 'state'>): unknown;
  infer(inputs: Tensors, context: PluginContext): Tensors | Promise<Tensors>;
  explain?(inputs: Tensors, context: PluginContext): Tensors | Promise<Tensors>;
}

/** `plugin.mjs`; `inputs` and `outputs` replace the model's where it changes them. */
export interface PluginModule {
  readonly inputs?: readonly TensorMetadata[];
  readonly outputs?: readonly TensorMetadata[];
  load?(context: Omit<PluginContext, 'signal' | 'state'>): unknown;
  preprocess?(inputs: Tensors, context: PluginContext): Tensors | Promise<Tensors>;
  postprocess?(outputs: Tensors, context: PluginContext): Tensors | Promise<Tensors>;
  /** `infer` runs the model, as often as it takes. */
  explain?(
    inputs: Tensors,
    context: PluginContext,
    infer: (inputs: Tensors) => Promise<Tensors>,
  ): Tensors | Promise<Tensors>;
}
