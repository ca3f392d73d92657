/**
 * ONNX Runtime's C API through FFI: the functions that this runtime calls, by their place in `OrtApi`, a struct that
 * only grows at its end. The library is the one that `onnxruntime-node` ships; docs/adr/0006 says why not its JS API.
 */
// This import must stand before the library is loaded; telemetry.ts says why.
import './telemetry.ts';
import { koffi } from '../../platform/foreign-functions.ts';
import { libraryPath } from './ort-library.ts';

/** A native address; 0n is NULL. */
export type Pointer = bigint;
/** An argument of type `void *`: an address, or memory of JavaScript that must live until the native side is done. */
export type Address = Pointer | NodeJS.ArrayBufferView | null;

/** Newest version of the API that the indices were read from; a later library still answers to it. */
const API_VERSION = 22;

type ArgumentType = 'void *' | 'int' | 'size_t' | 'str';

/**
 * Functions by name: their index in OrtApi, and the types of their arguments. They return a pointer, most of them an
 * `OrtStatus *`; Release* return nothing.
 */
const FUNCTIONS = {
  GetErrorMessage: [2, ['void *']],
  CreateEnv: [3, ['int', 'str', 'void *']],
  CreateSession: [7, ['void *', 'str', 'void *', 'void *']],
  Run: [9, ['void *', 'void *', 'void *', 'void *', 'size_t', 'void *', 'size_t', 'void *']],
  CreateSessionOptions: [10, ['void *']],
  SetOptimizedModelFilePath: [11, ['void *', 'str']],
  SetSessionGraphOptimizationLevel: [23, ['void *', 'int']],
  SetIntraOpNumThreads: [24, ['void *', 'int']],
  SessionGetInputCount: [30, ['void *', 'void *']],
  SessionGetOutputCount: [31, ['void *', 'void *']],
  SessionGetOverridableInitializerCount: [32, ['void *', 'void *']],
  SessionGetInputTypeInfo: [33, ['void *', 'size_t', 'void *']],
  SessionGetOutputTypeInfo: [34, ['void *', 'size_t', 'void *']],
  SessionGetOverridableInitializerTypeInfo: [35, ['void *', 'size_t', 'void *']],
  SessionGetInputName: [36, ['void *', 'size_t', 'void *', 'void *']],
  SessionGetOutputName: [37, ['void *', 'size_t', 'void *', 'void *']],
  SessionGetOverridableInitializerName: [38, ['void *', 'size_t', 'void *', 'void *']],
  CreateRunOptions: [39, ['void *']],
  RunOptionsSetTerminate: [46, ['void *']],
  CreateTensorAsOrtValue: [48, ['void *', 'void *', 'size_t', 'int', 'void *']],
  CreateTensorWithDataAsOrtValue: [
    49,
    ['void *', 'void *', 'size_t', 'void *', 'size_t', 'int', 'void *'],
  ],
  GetTensorMutableData: [51, ['void *', 'void *']],
  GetStringTensorDataLength: [53, ['void *', 'void *']],
  GetStringTensorContent: [54, ['void *', 'void *', 'size_t', 'void *', 'size_t']],
  CastTypeInfoToTensorInfo: [55, ['void *', 'void *']],
  GetOnnxTypeFromTypeInfo: [56, ['void *', 'void *']],
  GetTensorElementType: [60, ['void *', 'void *']],
  GetDimensionsCount: [61, ['void *', 'void *']],
  GetDimensions: [62, ['void *', 'void *', 'size_t']],
  GetTensorShapeElementCount: [64, ['void *', 'void *']],
  GetTensorTypeAndShape: [65, ['void *', 'void *']],
  GetValueType: [67, ['void *', 'void *']],
  CreateCpuMemoryInfo: [69, ['int', 'int', 'void *']],
  AllocatorFree: [76, ['void *', 'void *']],
  GetAllocatorWithDefaultOptions: [78, ['void *']],
  GetValue: [80, ['void *', 'int', 'void *', 'void *']],
  GetValueCount: [81, ['void *', 'void *']],
  ReleaseStatus: [93, ['void *']],
  ReleaseSession: [95, ['void *']],
  ReleaseValue: [96, ['void *']],
  ReleaseRunOptions: [97, ['void *']],
  ReleaseTypeInfo: [98, ['void *']],
  ReleaseTensorTypeAndShapeInfo: [99, ['void *']],
  ReleaseSessionOptions: [100, ['void *']],
  CastTypeInfoToMapTypeInfo: [103, ['void *', 'void *']],
  CastTypeInfoToSequenceTypeInfo: [104, ['void *', 'void *']],
  GetMapValueType: [106, ['void *', 'void *']],
  GetSequenceElementType: [107, ['void *', 'void *']],
  GetAvailableProviders: [125, ['void *', 'void *']],
  ReleaseAvailableProviders: [126, ['void *', 'int']],
  AddSessionConfigEntry: [130, ['void *', 'str', 'str']],
  CreateArenaCfgV2: [164, ['void *', 'void *', 'size_t', 'void *']],
  SessionOptionsAppendExecutionProvider_TensorRT_V2: [170, ['void *', 'void *']],
  CreateTensorRTProviderOptions: [171, ['void *']],
  ReleaseTensorRTProviderOptions: [174, ['void *']],
  HasValue: [192, ['void *', 'void *']],
  SessionOptionsAppendExecutionProvider_CUDA_V2: [204, ['void *', 'void *']],
  CreateCUDAProviderOptions: [205, ['void *']],
  ReleaseCUDAProviderOptions: [208, ['void *']],
  SessionOptionsAppendExecutionProvider: [216, ['void *', 'str', 'void *', 'void *', 'size_t']],
  CastTypeInfoToOptionalTypeInfo: [250, ['void *', 'void *']],
  GetOptionalContainedTypeInfo: [251, ['void *', 'void *']],
  GetResizedStringTensorElementBuffer: [252, ['void *', 'size_t', 'size_t', 'void *']],
  CreateAndRegisterAllocatorV2: [
    259,
    ['void *', 'str', 'void *', 'void *', 'void *', 'void *', 'size_t'],
  ],
} as const satisfies Record<string, readonly [number, readonly ArgumentType[]]>;

/** Name of a function of the C API. */
export type OrtFunction = keyof typeof FUNCTIONS;
type Argument = Address | number | string;
interface NativeFunction {
  (...args: Argument[]): Pointer | null;
  async(...args: [...Argument[], (error: unknown, result: Pointer | null) => void]): void;
}

/** An error that ONNX Runtime reported, with its own text. */
export class OrtError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OrtError';
  }
}

// koffi closes a library whose handle is collected, so that the handle is kept here.
const library = koffi.load(libraryPath());
const memcpy = koffi.load(null).func('void *memcpy(void *target, void *source, size_t size)');
const functions = bind();
const run = functions.Run;

/** Calls a function that returns a status. @throws OrtError. */
export function ort(name: OrtFunction, ...args: Argument[]): void {
  check(functions[name](...args));
}

/**
 * Runs a session whose inputs and outputs all have values: the one call that is worth its own way.
 * @throws OrtError.
 */
export function ortRun(
  session: Pointer,
  inputNames: BigUint64Array,
  feeds: BigUint64Array,
  outputNames: BigUint64Array,
  results: BigUint64Array,
): void {
  check(run(session, null, inputNames, feeds, feeds.length, outputNames, results.length, results));
}

/**
 * Calls a function on another thread. Every argument's memory must be kept until the promise settles.
 * @throws OrtError.
 */
export function ortAsync(name: OrtFunction, ...args: Argument[]): Promise<void> {
  return new Promise((resolve, reject) => {
    functions[name].async(...args, (error, status) => {
      try {
        if (error) throw error;
        check(status);
        resolve();
      } catch (failure) {
        reject(failure);
      }
    });
  });
}

/** Frees a native object; nothing happens for NULL. */
export function release(name: OrtFunction & `Release${string}`, object: Pointer): void {
  if (object !== 0n) functions[name](object);
}

/**
 * Calls a function whose last argument is a `T **` or `int64 *` out parameter, and returns what it wrote.
 * @throws OrtError.
 */
export function ortOut(name: OrtFunction, ...args: Argument[]): Pointer {
  OUT[0] = 0n;
  ort(name, ...args, OUT);
  return OUT[0];
}

/**
 * Calls a function whose last argument is an `int *` or enum out parameter, and returns what it wrote.
 * @throws OrtError.
 */
export function ortInt(name: OrtFunction, ...args: Argument[]): number {
  OUT[0] = 0n;
  ort(name, ...args, OUT);
  return Number(BigInt.asIntN(32, OUT[0]));
}

/** Memory of all out parameters: calls on this thread are over before the next one begins. */
const OUT = new BigUint64Array(1) as BigUint64Array & { 0: Pointer };

/** Allocates a C string that lives as long as the process. */
export function cString(text: string): Pointer {
  const bytes = Buffer.from(`${text}\0`);
  const address = koffi.alloc('char', bytes.length) as Pointer;
  memory(address, bytes.length).set(bytes);
  return address;
}

/** Copies the text at an address: koffi's own string may be a view of native memory, which its owner will free. */
export function readString(address: Pointer): string {
  return Buffer.from(koffi.decode.string(address)).toString();
}

/** Copies the texts of an array of C strings. */
export function readStrings(array: Pointer, count: number): string[] {
  return Array.from({ length: count }, (_, i) =>
    readString(koffi.decode(array, i * 8, 'void *') as Pointer),
  );
}

/** Views native memory as bytes, which are valid only as long as the native side keeps them. */
export function memory(address: Pointer, size: number): Buffer {
  return size === 0 ? Buffer.alloc(0) : Buffer.from(koffi.view(address, size));
}

/** Fills JavaScript's memory from native memory. */
export function copyFrom(address: Pointer, target: NodeJS.ArrayBufferView): void {
  // A copy costs less than a view of native memory, which the garbage collector has to let go of.
  if (target.byteLength > 0) memcpy(target, address, target.byteLength);
}

function check(status: Pointer | null): void {
  if (status === null || status === 0n) return;
  const message = readString(functions.GetErrorMessage(status) as Pointer);
  functions.ReleaseStatus(status);
  throw new OrtError(message);
}

function bind(): Record<OrtFunction, NativeFunction> {
  const base = library.func('void *OrtGetApiBase()')() as Pointer;
  const getApi = koffi.proto('void *', ['uint32_t']);
  const api = koffi.call(koffi.decode(base, 'void *'), getApi, API_VERSION) as Pointer;
  const entries = Object.entries(FUNCTIONS).map(([name, [index, types]]) => {
    const address = koffi.decode(api, index * 8, 'void *') as Pointer;
    const isVoid = name.startsWith('Release') && name !== 'ReleaseAvailableProviders';
    const result = isVoid ? 'void' : 'void *';
    return [name, koffi.decode(address, koffi.proto(result, [...types]))];
  });
  return Object.fromEntries(entries);
}
