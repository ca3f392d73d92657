/**
 * Reads files of joblib.dump and pickle.dump as values. joblib compresses the whole file, and puts the bytes of an
 * array behind the object that describes it (joblib/numpy_pickle.py).
 */
import { decompressed } from './compression.ts';
import { type Dtype, isNdArray, readDtype, readNdArray } from './numpy.ts';
import {
  PickleDict,
  PickleObject,
  type PickleReader,
  PickleSet,
  type PickleValue,
  readPickle,
} from './pickle.ts';
import { PickleStream } from './pickle-stream.ts';

/**
 * Modules all of whose classes a file may name. The names are data: nothing is imported, let alone called. `_loss` is a
 * module of scikit-learn that loses its package's name in some of its releases, such as 1.5.
 */
const MODULES =
  /^(sklearn|_loss|xgboost|lightgbm|numpy\.random|scipy\.stats|scipy\._lib\.array_api_compat)\./;
/** Other classes and functions that a file may name. */
const NAMES = new Set([
  'builtins.set',
  'builtins.frozenset',
  'builtins.slice',
  'builtins.getattr',
  'builtins.int',
  'builtins.float',
  'builtins.str',
  'builtins.bool',
  'builtins.object',
  'builtins.bytearray',
  'builtins.dict',
  'builtins.list',
  'builtins.tuple',
  '__builtin__.set',
  '__builtin__.object',
  '__builtin__.tuple',
  '__builtin__.dict',
  '__builtin__.list',
  '__builtin__.slice',
  '__builtin__.bytearray',
  '__builtin__.bytes',
  'builtins.bytes',
  '_codecs.encode',
  'collections.OrderedDict',
  'collections.defaultdict',
  'copy_reg._reconstructor',
  'copyreg._reconstructor',
  'functools.partial',
  'joblib.numpy_pickle.NumpyArrayWrapper',
  'numpy.dtype',
  'numpy.ndarray',
  'numpy.float64',
  'numpy.float32',
  'numpy.int64',
  'numpy.int32',
  'numpy.object_',
  'numpy.str_',
  'numpy.bool_',
  'numpy.bool',
  'numpy.ma.core.MaskedConstant',
  'numpy.ma.core.MaskedArray',
  'numpy.ma.core._mareconstruct',
  'numpy.ma.MaskedArray',
  'scipy.interpolate._bsplines.BSpline',
  'scipy.interpolate._bsplines._BSpline',
  'scipy.sparse._csr.csr_matrix',
  'scipy.sparse.csr.csr_matrix',
  'scipy.sparse._dia.dia_matrix',
]);
/** Functions of NumPy that make arrays, in the modules where its versions have them. */
const NUMPY_CORE =
  /^numpy\.(_core|core)\.(multiarray\.(_reconstruct|scalar)|numeric\._frombuffer)$/;

/** NumPy's functions of one number or two, in the modules where its versions have them. */
const NUMPY_FUNCTIONS = /^numpy(\.(_core|core)\._multiarray_umath)?\.[a-z][a-z0-9_]*$/;

/** Reads a file's value. @throws Error that names what the file holds that is not read here. */
export function readJoblib(bytes: Buffer): PickleValue {
  const stream = new PickleStream(decompressed(bytes));
  return readPickle(stream, READER);
}

const READER: PickleReader = {
  allows: (name) =>
    NAMES.has(name) || [MODULES, NUMPY_CORE, NUMPY_FUNCTIONS].some((names) => names.test(name)),
  build: buildObject,
};

/** Makes a value of an object: arrays, dicts, sets and bytes become values, and others stay objects. */
function buildObject(object: PickleObject, stream: PickleStream): PickleValue {
  const { type, args, state } = object;
  if (type === 'joblib.numpy_pickle.NumpyArrayWrapper') {
    return state === null ? object : readWrappedArray(state as PickleDict, stream);
  }
  if (NUMPY_CORE.test(type)) return buildNumpyObject(object);
  if (type.endsWith('.OrderedDict') || type.endsWith('.dict'))
    return new PickleDict(args[0] as never);
  if (type.endsWith('.set') || type.endsWith('.frozenset')) {
    return new PickleSet((args[0] ?? []) as readonly PickleValue[]);
  }
  if (type === '_codecs.encode') return Buffer.from(String(args[0]), 'latin1');
  if (/^(__builtin__|builtins)\.(bytes|bytearray)$/.test(type)) {
    const [content = []] = args;
    return typeof content === 'string'
      ? Buffer.from(content, 'latin1')
      : Buffer.from(content as Buffer);
  }
  return object;
}

/** Returns the type of an array's elements, with the types of its fields. @throws Error when it is none. */
function dtypeOf(value: PickleValue): Dtype {
  if (!(value instanceof PickleObject) || value.type !== 'numpy.dtype') {
    throw new Error('an array has no NumPy type');
  }
  const nested = value.state as readonly PickleValue[] | null;
  const fields = nested?.[4];
  if (!(fields instanceof PickleDict)) return readDtype(value);
  const read = new PickleDict();
  for (const [name, field] of fields) {
    const [type, offset] = field as [PickleValue, number];
    read.set(name, [dtypeOf(type), offset]);
  }
  const whole = new PickleObject(value.type, value.args);
  whole.state = (nested as readonly PickleValue[]).map((part, i) => (i === 4 ? read : part));
  return readDtype(whole);
}

/** Makes an array or a scalar of a call of NumPy's functions. */
function buildNumpyObject(object: PickleObject): PickleValue {
  const { type, args, state } = object;
  if (type.endsWith('.scalar')) {
    const [dtype, content] = args as [PickleValue, Buffer];
    if (!Buffer.isBuffer(content)) return content;
    const array = readNdArray({ dtype: dtypeOf(dtype), shape: [], fortran: false, content });
    return array.data[0] as PickleValue;
  }
  if (type.endsWith('._frombuffer')) {
    const [content, dtype, shape, order] = args as [Buffer, PickleValue, number[], string];
    return readNdArray({ dtype: dtypeOf(dtype), shape, fortran: order === 'F', content });
  }
  if (state === null) return object;
  const [, shape, dtype, fortran, content] = state as [
    number,
    number[],
    PickleValue,
    boolean,
    Buffer,
  ];
  const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
  return readNdArray({ dtype: dtypeOf(dtype), shape, fortran, content: bytes });
}

/** Reads the array that follows joblib's description of it. */
function readWrappedArray(state: PickleDict, stream: PickleStream): PickleValue {
  const shape = state.get('shape') as number[];
  const fortran = state.get('order') === 'F';
  const dtype = dtypeOf(state.get('dtype') ?? null);
  if (dtype.kind === 'O') {
    const objects = readPickle(stream, READER);
    return isNdArray(objects)
      ? objects
      : readNdArray({ dtype, shape, fortran, content: objects as [] });
  }
  if (state.get('numpy_array_alignment_bytes')) stream.bytes(stream.uint8());
  const count = shape.reduce((product, dim) => product * dim, 1);
  return readNdArray({ dtype, shape, fortran, content: stream.bytes(count * dtype.size) });
}
