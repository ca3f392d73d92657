/**
 * A cache of models as ONNX Runtime optimised them, so that the next start reads the result. A file is named by what
 * went into it, and appears whole.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { arch, cpus } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** Place of one model in the cache. */
export interface OptimizedModel {
  /** Path of the optimised model, which may not be there yet. */
  readonly path: string;
  readonly exists: boolean;
  /** Path that ONNX Runtime is to write to. */
  readonly draft: string;
}

/**
 * Finds the place of a model in the cache.
 * @param about what else the result depends on: the library's version, providers
 * @throws Error when the folder cannot be made or the model not be read.
 */
export async function optimizedModel(
  dir: string,
  model: string,
  about: readonly string[],
): Promise<OptimizedModel> {
  await mkdir(dir, { recursive: true });
  const hash = createHash('sha256');
  await pipeline(createReadStream(model), hash);
  const key = createHash('sha256');
  // Some optimisations depend on the processor.
  for (const part of [hash.digest('hex'), arch(), cpus()[0]?.model ?? '', ...about]) {
    key.update(`${part}\n`);
  }
  const path = join(dir, `${key.digest('hex').slice(0, 32)}.onnx`);
  return { path, exists: existsSync(path), draft: `${path}.${process.pid}` };
}

/** Makes the file that ONNX Runtime wrote the cached model. Nothing happens when it wrote nothing. */
export async function keepOptimized({ draft, path }: OptimizedModel): Promise<void> {
  await rename(draft, path).catch(() => undefined);
}

/** Forgets a cached model that could not be loaded. */
export async function dropOptimized({ path }: OptimizedModel): Promise<void> {
  await rm(path, { force: true });
}
