/**
 * The choice of what runs the kernels of ONNX models: the CPU, or what a device and the library that came with it
 * offer.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { libraryDirectory } from './ort-library.ts';

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

/** Looks for devices and libraries on this machine. */
export function surroundings(): Surroundings {
  return {
    hasNvidiaGpu: existsSync('/dev/nvidiactl'),
    hasCudaLibrary: existsSync(join(libraryDirectory(), 'libonnxruntime_providers_cuda.so')),
  };
}

/** Providers whose kernels run on a GPU. */
const ON_GPU: readonly Provider[] = ['cuda', 'tensorrt', 'webgpu'];

/** Device that a model asks for, or the server may choose. */
export type Device = 'cpu' | 'gpu';

/** Providers of one model, and the device that its kernels run on. */
export interface DeviceChoice {
  readonly providers: readonly Provider[];
  readonly device: Device;
}

/**
 * Chooses the providers for a model that asks for a device, or for none.
 * @returns undefined when it asks for a GPU and the server's providers have none here
 */
export function chooseDevice(
  device: Device | undefined,
  wanted: readonly Provider[],
  around: Surroundings,
): DeviceChoice | undefined {
  const chosen = chooseProviders(wanted, around);
  const hasGpu = chosen.some((provider) => ON_GPU.includes(provider));
  if (device === 'gpu' && !hasGpu) return undefined;
  if (device !== 'cpu') return { providers: wanted, device: hasGpu ? 'gpu' : 'cpu' };
  return { providers: chosen.filter((provider) => !ON_GPU.includes(provider)), device };
}
