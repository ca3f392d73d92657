/**
 * A run whose tensors have their place in memory once and for all: the values of ONNX Runtime are made once, and each run
 * is one call. For small tensors, of which the same shapes come again and again; measured in docs/adr/0006.
 */
import { allocateNative, type NumericData } from '../../protocol/v2/datatypes.ts';
import { elementCount, type Tensor } from '../../protocol/v2/types.ts';
import { ortRun, type Pointer, release } from './ort-api.ts';
import { toValue } from './ort-value.ts';

/** Total size of the inputs and outputs that may have a fixed place, in bytes. */
const MAX_BYTES = 64 << 10;

interface Slot {
  readonly tensor: Tensor;
  readonly data: NumericData;
  readonly value: Pointer;
}

/** A run of ONNX Runtime over tensors that stay where they are. */
export class BoundRun {
  readonly inputNames: BigUint64Array;
  readonly outputNames: BigUint64Array;
  /** Addresses of the inputs' values. */
  readonly feeds: BigUint64Array;
  readonly results: BigUint64Array;
  readonly #inputs: readonly Slot[];
  readonly #outputs: readonly Slot[];

  private constructor(
    inputs: readonly Slot[],
    outputs: readonly Slot[],
    names: Pick<BoundRun, 'inputNames' | 'outputNames'>,
  ) {
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.inputNames = names.inputNames;
    this.outputNames = names.outputNames;
    this.feeds = BigUint64Array.from(inputs, ({ value }) => value);
    this.results = BigUint64Array.from(outputs, ({ value }) => value);
  }

  /** Makes a run for tensors like these, which a run has had; undefined where they are too large, or are no numbers. */
  static like(
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    names: Pick<BoundRun, 'inputNames' | 'outputNames'>,
  ): BoundRun | undefined {
    const all = [...inputs, ...outputs];
    let bytes = 0;
    for (const { data } of all) {
      if (Array.isArray(data) || data.length === 0) return undefined;
      bytes += data.byteLength;
    }
    if (bytes > MAX_BYTES) return undefined;
    return new BoundRun(inputs.map(slot), outputs.map(slot), names);
  }

  /** True for tensors of the same names, types and shapes, and the same outputs asked for, in the same order. */
  fits(inputs: readonly Tensor[], outputs: readonly string[]): boolean {
    if (inputs.length !== this.#inputs.length || outputs.length !== this.#outputs.length) {
      return false;
    }
    for (let i = 0; i < inputs.length; i++) {
      if (!isLike(inputs[i] as Tensor, (this.#inputs[i] as Slot).tensor)) return false;
    }
    for (let i = 0; i < outputs.length; i++) {
      if (outputs[i] !== (this.#outputs[i] as Slot).tensor.name) return false;
    }
    return true;
  }

  fill(inputs: readonly Tensor[]): void {
    for (let i = 0; i < inputs.length; i++) {
      (this.#inputs[i] as Slot).data.set((inputs[i] as Tensor).data as never);
    }
  }

  /** Runs the model. @throws OrtError, among others when an output has another shape. */
  call(session: Pointer): void {
    const { inputNames, feeds, outputNames, results } = this;
    ortRun(session, inputNames, feeds, outputNames, results);
  }

  /** Copies the outputs, which the next run overwrites. */
  read(): Tensor[] {
    return this.#outputs.map(({ tensor: { name, datatype, shape }, data }) => ({
      name,
      datatype,
      shape,
      data: data.slice(),
    }));
  }

  close(): void {
    for (const { value } of [...this.#inputs, ...this.#outputs]) release('ReleaseValue', value);
  }
}

function slot({ name, datatype, shape }: Tensor): Slot {
  const data = allocateNative(datatype, elementCount(shape));
  const tensor = { name, datatype, shape: [...shape], data };
  return { tensor, data, value: toValue(tensor) };
}

function isLike(a: Tensor, b: Tensor): boolean {
  if (a.name !== b.name || a.datatype !== b.datatype || a.shape.length !== b.shape.length) {
    return false;
  }
  for (let i = 0; i < a.shape.length; i++) if (a.shape[i] !== b.shape[i]) return false;
  return true;
}
