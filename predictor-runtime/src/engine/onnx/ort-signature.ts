/** The inputs and outputs that a session of ONNX Runtime has. */
import { datatypeOfOnnx } from '../../protocol/v2/datatypes.ts';
import type { TensorMetadata } from '../../protocol/v2/types.ts';
import {
  OrtError,
  type OrtFunction,
  ort,
  ortInt,
  ortOut,
  type Pointer,
  readString,
  release,
} from './ort-api.ts';
import { DEFAULT_ALLOCATOR, dimensions, ONNX_TYPE } from './ort-value.ts';

/** Describes the inputs, the outputs, or the inputs with a default value, as V2 tensors. @throws OrtError for other kinds. */
export function valuesOf(
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

/** Describes a value as one tensor; `fromValue` makes one of the other kinds likewise. @throws OrtError. */
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
