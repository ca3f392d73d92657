/**
 * GPU requests → node selection, tolerations and the runtime's image for that vendor. Pure GPU counts need
 * no selector: the resource itself decides. KServe: gke-accelerator annotation, `-gpu` image tags.
 */
import type { ServingRuntimeData } from '../api/inferenceservice.ts';
import type { Container, PodSpec, ResourceRequirements, Toleration } from '../api/kube.ts';
import { ANNOTATIONS, KSERVE_CONTAINER } from '../api/names.ts';
import { merge } from './merge.ts';

/** Vendor whose GPUs a pod asks for. */
export type GpuVendor = 'nvidia' | 'amd' | 'intel' | 'habana';

interface Vendor {
  readonly vendor: GpuVendor;
  readonly resource: RegExp;
  /** Taints that GPU nodes of the known installers carry. */
  readonly taints: readonly string[];
}

const VENDORS: readonly Vendor[] = [
  {
    vendor: 'nvidia',
    resource: /^nvidia\.com\/(gpu|gpu\.shared|mig-.+)$/,
    taints: ['nvidia.com/gpu'],
  },
  { vendor: 'amd', resource: /^amd\.com\/gpu$/, taints: ['amd.com/gpu'] },
  {
    vendor: 'intel',
    resource: /^gpu\.intel\.com\/.+$/,
    taints: ['gpu.intel.com/i915', 'gpu.intel.com/xe'],
  },
  { vendor: 'habana', resource: /^habana\.ai\/gaudi$/, taints: ['habana.ai/gaudi'] },
];

/** Images of which KServe uses a `-gpu` tag when a pod asks for an NVIDIA GPU. */
const GPU_TAGGED = /(^|\/)(tensorflow\/serving|serving|torchserve-kfs|huggingfaceserver):/;

/** Returns the GPU resources a container asks for, by name, with their vendor. */
export function gpuResources(
  resources: ResourceRequirements | undefined,
): { name: string; vendor: Vendor }[] {
  const names = new Set([
    ...Object.keys(resources?.limits ?? {}),
    ...Object.keys(resources?.requests ?? {}),
  ]);
  return [...names].sort().flatMap((name) => {
    const vendor = VENDORS.find(({ resource }) => resource.test(name));
    return vendor === undefined ? [] : [{ name, vendor }];
  });
}

/** Options of `withAccelerator`. */
export interface AcceleratorOptions {
  readonly annotations: Readonly<Record<string, string>>;
  readonly runtime?: ServingRuntimeData;
  /** True when the user set the image: it is then left alone. */
  readonly imageIsUsers: boolean;
}

/**
 * Makes a pod fit for the GPUs that its serving container asks for; returns it unchanged when it asks for
 * none.
 */
export function withAccelerator(pod: PodSpec, options: AcceleratorOptions): PodSpec {
  const container = pod.containers.find(({ name }) => name === KSERVE_CONTAINER);
  const gpus = gpuResources(container?.resources);
  const [first] = gpus;
  if (container === undefined || first === undefined) return pod;
  const { vendor } = first.vendor;
  const gke = options.annotations[ANNOTATIONS.gkeAccelerator];
  const selected: Partial<PodSpec> =
    gke !== undefined && vendor === 'nvidia'
      ? { nodeSelector: { 'cloud.google.com/gke-accelerator': gke } }
      : {};
  return merge(pod, {
    ...selected,
    tolerations: missingTolerations(pod, gpus),
    containers: [
      {
        name: KSERVE_CONTAINER,
        image: options.imageIsUsers
          ? container.image
          : gpuImage(container, vendor, options.runtime),
        resources: { limits: gpuLimits(container, gpus) },
      } as Container,
    ],
  });
}

/**
 * Returns the limits of extended resources: these cannot be overcommitted, so that the API server wants the
 * request as a limit, too.
 */
function gpuLimits(container: Container, gpus: readonly { name: string }[]) {
  const { limits, requests } = container.resources ?? {};
  return Object.fromEntries(
    gpus.map(({ name }) => [name, limits?.[name] ?? requests?.[name] ?? 0]),
  );
}

function missingTolerations(
  pod: PodSpec,
  gpus: readonly { name: string; vendor: Vendor }[],
): Toleration[] {
  const taints = new Set(gpus.flatMap(({ name, vendor }) => [...vendor.taints, name]));
  const tolerated = new Set((pod.tolerations ?? []).map(({ key }) => key));
  const wanted: Toleration[] = [...taints]
    .filter((key) => !tolerated.has(key))
    .map((key) => ({ key, operator: 'Exists', effect: 'NoSchedule' }));
  // AKS's GPU node pools; its admission adds no toleration (Azure/AKS#1449).
  if (!tolerated.has('sku')) {
    wanted.push({ key: 'sku', operator: 'Equal', value: 'gpu', effect: 'NoSchedule' });
  }
  return wanted;
}

function gpuImage(
  { image = '' }: Container,
  vendor: GpuVendor,
  runtime: ServingRuntimeData | undefined,
): string {
  const variant = runtime?.metadata.annotations?.[`${ANNOTATIONS.gpuImagePrefix}${vendor}`];
  if (variant !== undefined && variant !== '') return variant;
  const tagged = vendor === 'nvidia' && GPU_TAGGED.test(image) && !image.includes('@');
  return tagged && !image.endsWith('-gpu') ? `${image}-gpu` : image;
}
