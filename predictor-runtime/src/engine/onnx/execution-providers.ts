/** The execution providers of a session: ONNX Runtime's functions for those that were chosen. */
import {
  OrtError,
  type OrtFunction,
  ort,
  ortOut,
  type Pointer,
  readStrings,
  release,
} from './ort-api.ts';
import { chooseProviders, type Provider, surroundings } from './provider-choice.ts';

/** Names of the providers in ONNX Runtime. */
const ORT_NAMES: Readonly<Record<Exclude<Provider, 'auto'>, string>> = {
  cpu: 'CPUExecutionProvider',
  cuda: 'CUDAExecutionProvider',
  tensorrt: 'TensorrtExecutionProvider',
  openvino: 'OpenVINOExecutionProvider',
  webgpu: 'WebGpuExecutionProvider',
  xnnpack: 'XnnpackExecutionProvider',
};

/** Functions of the providers that have options of their own: they make, hand over and free these. */
const WITH_OPTIONS: Readonly<
  Partial<
    Record<
      Provider,
      { create: OrtFunction; append: OrtFunction; free: OrtFunction & `Release${string}` }
    >
  >
> = {
  cuda: {
    create: 'CreateCUDAProviderOptions',
    append: 'SessionOptionsAppendExecutionProvider_CUDA_V2',
    free: 'ReleaseCUDAProviderOptions',
  },
  tensorrt: {
    create: 'CreateTensorRTProviderOptions',
    append: 'SessionOptionsAppendExecutionProvider_TensorRT_V2',
    free: 'ReleaseTensorRTProviderOptions',
  },
};

/** Names of the other providers for `SessionOptionsAppendExecutionProvider`. */
const SHORT_NAMES: Readonly<Partial<Record<Provider, string>>> = {
  openvino: 'OpenVINO',
  webgpu: 'WebGPU',
  xnnpack: 'XNNPACK',
};

/** Gives a session the chosen providers, and returns them. @throws OrtError that says what the library has instead. */
export function appendProviders(settings: Pointer, wanted: readonly Provider[]): Provider[] {
  const available = availableProviders();
  const chosen = chooseProviders(wanted, surroundings());
  for (const provider of chosen) {
    if (!available.includes(ORT_NAMES[provider])) {
      throw new OrtError(
        `execution provider '${provider}' is not in this build of ONNX Runtime, which has ${available.join(', ')}`,
      );
    }
    append(settings, provider);
  }
  return chosen;
}

function append(settings: Pointer, provider: Exclude<Provider, 'auto' | 'cpu'>): void {
  const own = WITH_OPTIONS[provider];
  if (own === undefined) {
    const name = SHORT_NAMES[provider] ?? provider;
    ort('SessionOptionsAppendExecutionProvider', settings, name, null, null, 0);
    return;
  }
  const options = ortOut(own.create);
  try {
    ort(own.append, settings, options);
  } finally {
    release(own.free, options);
  }
}

/** Lists the providers of the library by ONNX Runtime's names. */
export function availableProviders(): string[] {
  const names = new BigUint64Array(1);
  const count = new Int32Array(1);
  ort('GetAvailableProviders', names, count);
  const list = names[0] as Pointer;
  const found = readStrings(list, count[0] as number);
  ort('ReleaseAvailableProviders', list, count[0] as number);
  return found;
}
