/** Reads the user's YAML files, checks and applies them, and does so again when they change. */
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { loadAll } from 'js-yaml';
import { type KubeObject, keyOf } from '../api/kube.ts';
import type { Logger } from '../log.ts';
import type { Admission } from './admission.ts';
import type { MemoryCluster } from './memory-cluster.ts';

/** The files to apply, and what they are checked by and applied to. */
export interface ManifestsOptions {
  /** Paths of the YAML files. */
  readonly files: readonly string[];
  readonly admission: Admission;
  readonly cluster: MemoryCluster;
  readonly log: Logger;
}

/** The user's files as they were applied last; a file that has a problem changes nothing. */
export class Manifests {
  readonly #options: ManifestsOptions;
  /** Objects that each file held when it was applied last, so that what is taken out of it is deleted. */
  readonly #applied = new Map<string, KubeObject[]>();

  constructor(options: ManifestsOptions) {
    this.#options = options;
  }

  /**
   * Applies every file and watches them all from now on.
   * @returns the number of problems found, which are logged
   */
  async start(): Promise<number> {
    let problems = 0;
    for (const file of this.#options.files) {
      problems += await this.#load(file);
      watchFile(file, { interval: 200 }, () => void this.#load(file));
    }
    return problems;
  }

  /** Stops watching the files; what was applied stays. */
  stop(): void {
    for (const file of this.#options.files) unwatchFile(file);
  }

  async #load(file: string): Promise<number> {
    const { admission, cluster, log } = this.#options;
    let objects: KubeObject[];
    try {
      objects = (loadAll(readFileSync(file, 'utf8')) as KubeObject[]).filter((doc) => doc !== null);
    } catch (error) {
      log.error('file not applied, what it held before stays', {
        file,
        reason: (error as Error).message,
      });
      return 1;
    }
    const problems = objects.flatMap((object) =>
      admission.problems(object).map((text) => `${object.kind} ${object.metadata?.name}: ${text}`),
    );
    if (problems.length > 0) {
      for (const problem of problems)
        log.error('file not applied, what it held before stays', { file, problem });
      return problems.length;
    }
    const named = objects.map(withNamespace);
    for (const object of named) cluster.submit(object);
    const gone = (this.#applied.get(file) ?? []).filter(
      (old) => !named.some((object) => object.kind === old.kind && keyOf(object) === keyOf(old)),
    );
    for (const object of gone) await cluster.delete(object);
    this.#applied.set(file, named);
    return 0;
  }
}

function withNamespace(object: KubeObject): KubeObject {
  if (object.kind === 'ClusterServingRuntime') return object;
  const { namespace = 'default' } = object.metadata;
  return { ...object, metadata: { ...object.metadata, namespace } };
}
