/** A model's metadata as TensorFlow Serving writes it: protobuf's JSON of a SignatureDef map, nesting included. */
import { datatype } from '../v2/datatypes.ts';
import type { ModelMetadata, TensorMetadata } from '../v2/types.ts';

/** Returns the metadata of a model's version. Source: TensorFlow Serving, RESTful API, "Model Metadata API". */
export function signatureDef({ name, inputs, outputs }: ModelMetadata, version: number): object {
  const signature = {
    inputs: tensorInfos(inputs),
    outputs: tensorInfos(outputs),
    method_name: 'tensorflow/serving/predict',
  };
  return {
    model_spec: { name, signature_name: '', version: String(version) },
    metadata: { signature_def: { signature_def: { serving_default: signature } } },
  };
}

function tensorInfos(tensors: readonly TensorMetadata[]): object {
  return Object.fromEntries(
    tensors.map(({ name, datatype: type, shape }) => [
      name,
      {
        dtype: datatype(type).tensorflow,
        tensor_shape: {
          dim: shape.map((size) => ({ size: String(size), name: '' })),
          unknown_rank: false,
        },
        name,
      },
    ]),
  );
}
