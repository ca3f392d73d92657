/** The file in a model's folder that says how to serve it. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelLoadError } from '../../protocol/errors.ts';
import { parseMlserverSettings } from './mlserver-settings.ts';
import type { ModelConfig } from './model-config.ts';
import { parseTritonConfig } from './triton-config.ts';

const TRITON_FILE = 'config.pbtxt';
const MLSERVER_FILE = 'model-settings.json';
/** Names of the files that say how to serve a model. */
export const CONFIG_FILES: readonly string[] = [TRITON_FILE, MLSERVER_FILE];

/**
 * Reads the configuration in a model's folder: Triton's `config.pbtxt`, MLServer's `model-settings.json`, or none.
 * @throws ModelLoadError with the file, the line or field, and what was expected.
 */
export async function readModelConfig(dir: string, defaults: ModelConfig): Promise<ModelConfig> {
  const entries = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    throw new ModelLoadError(`model folder ${dir} cannot be read: ${error.message}`);
  });
  for (const [file, parse] of [
    [TRITON_FILE, parseTritonConfig],
    [MLSERVER_FILE, parseMlserverSettings],
  ] as const) {
    if (!entries.includes(file)) continue;
    const path = join(dir, file);
    try {
      return { ...parse(await readFile(path, 'utf8'), defaults), source: path };
    } catch (error) {
      throw new ModelLoadError(`${path}: ${(error as Error).message}`, { cause: error });
    }
  }
  return defaults;
}
