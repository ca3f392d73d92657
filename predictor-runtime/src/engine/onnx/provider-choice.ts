/**
 * The choice of what runs the kernels of ONNX models: the CPU, or what a device and the library that came with it
 * offer.
 */

/**
 * Names of all providers. `auto` is CUDA where a GPU of NVIDIA and the library for it are there, and the CPU otherwise.
 */
export const PROVIDERS = [
  'auto',
  'cpu',
  'cuda',
  'tensorrt',
  'openvino',
  'webgpu',
  'xnnpack',
] as const;
/** Name of an execution provider. */
export type Provider = (typeof PROVIDERS)[number];

/** Devices and libraries that the machine shows. */
export interface Surroundings {
  readonly hasNvidiaGpu: boolean;
  readonly hasCudaLibrary: boolean;
}

/** Chooses the providers to use, first choice first; ONNX Runtime itself puts the CPU at the end. */
export function chooseProviders(
  wanted: readonly Provider[],
  { hasNvidiaGpu, hasCudaLibrary }: Surroundings,
): Exclude<Provider, 'auto' | 'cpu'>[] {
  const auto: Provider[] = hasNvidiaGpu && hasCudaLibrary ? ['cuda'] : [];
  const expanded = wanted.flatMap((provider) => (provider === 'auto' ? auto : [provider]));
  return [...new Set(expanded)].filter((provider) => provider !== 'cpu' && provider !== 'auto');
}
