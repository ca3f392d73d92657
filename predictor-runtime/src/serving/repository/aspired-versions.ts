/** The versions that are wanted of a model, read from its folder. */
import type { Loader } from '../model.ts';
import type { AspiredVersion } from '../servable.ts';
import type { ModelConfig } from './model-config.ts';
import { readModelFolder } from './model-folder.ts';
import type { ModelEntry } from './model-list.ts';
import { withSettings } from './registration-settings.ts';
import { parseTritonJson } from './triton-config.ts';
import { selectVersions } from './version-policy.ts';

/** Makes the loader of a version. */
export type LoaderOf = (version: {
  name: string;
  modelDir: string;
  dir: string;
  config: ModelConfig;
}) => Loader;

/** Circumstances of a look at a model's folder. */
export interface AspirationOptions {
  readonly defaults: ModelConfig;
  readonly loader: LoaderOf;
  /** Configuration that came with a load request, in Triton's JSON. */
  readonly config?: string;
  /** True when the server looks at its models as it starts. */
  readonly isStart: boolean;
}

/** Versions that are wanted of a model, and their labels. */
export interface Aspiration {
  readonly config: ModelConfig;
  readonly versions: readonly AspiredVersion[];
  readonly labels: Readonly<Record<string, number>>;
}

/** Reads the folder of a model. @throws ModelLoadError, InferenceError INVALID_ARGUMENT, Error of the file system. */
export async function aspiredVersions(
  { name, dir, url, settings = {}, version: unnumbered, versionPolicy, labels }: ModelEntry,
  { defaults, loader, config: override, isStart }: AspirationOptions,
): Promise<Aspiration> {
  const folder = await readModelFolder(name, dir, { defaults, unnumbered });
  const base = override === undefined ? folder.config : parseTritonJson(override, folder.config);
  const config = withSettings(base, settings);
  const available = new Map(folder.versions.map((version) => [version.version, version]));
  const wanted = selectVersions([...available.keys()], versionPolicy ?? config.versionPolicy);
  const told = [override ?? '', ...Object.entries(settings).flat()].join(' ').trim();
  const versions = wanted.flatMap((version) => {
    const found = available.get(version);
    if (found === undefined) return [];
    return {
      version,
      fingerprint: `${found.fingerprint}${told}`,
      source: url ?? dir,
      isOfStart: isStart,
      loader: loader({ name, modelDir: dir, dir: found.dir, config }),
    };
  });
  return { config, versions, labels: labels ?? config.labels };
}

/** Puts together what several folders say of one model; of two versions with one number, the later counts. */
export function merged(aspirations: readonly Aspiration[]): Omit<Aspiration, 'config'> {
  const versions = new Map<number, AspiredVersion>();
  for (const version of aspirations.flatMap((aspiration) => aspiration.versions)) {
    versions.set(version.version, version);
  }
  return {
    versions: [...versions.values()],
    labels: Object.assign({}, ...aspirations.map(({ labels }) => labels)),
  };
}
