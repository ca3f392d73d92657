/** MLServer's `model-settings.json` → ModelConfig. Source: MLServer, "Model settings". */
import type { ModelConfig } from './model-config.ts';

interface Settings {
  readonly name?: unknown;
  readonly max_batch_size?: unknown;
  readonly max_batch_time?: unknown;
  readonly cache_enabled?: unknown;
  readonly parameters?: { readonly uri?: unknown; readonly extra?: Record<string, unknown> };
}

/** Fields that say how MLServer itself is to run a model, or what the model file says already. */
const IGNORED = [
  'implementation',
  'platform',
  'versions',
  'inputs',
  'outputs',
  'warm_workers',
  'parallel_workers',
  '$schema',
];
const KNOWN = [
  'name',
  'max_batch_size',
  'max_batch_time',
  'cache_enabled',
  'parameters',
  ...IGNORED,
];

/** Reads MLServer's settings over the defaults. @throws SyntaxError with the field. */
export function parseMlserverSettings(text: string, defaults: ModelConfig): ModelConfig {
  const settings = JSON.parse(text) as Settings;
  if (typeof settings !== 'object' || settings === null)
    throw new SyntaxError('expected an object');
  for (const field of Object.keys(settings)) {
    if (!KNOWN.includes(field))
      throw new SyntaxError(`${field}: unknown field, expected one of ${KNOWN.join(', ')}`);
  }
  const maxRows = number(settings.max_batch_size, 'max_batch_size') ?? 0;
  const seconds = number(settings.max_batch_time, 'max_batch_time') ?? 0;
  const uri = settings.parameters?.uri;
  return {
    ...defaults,
    name: settings.name === undefined ? undefined : String(settings.name),
    // MLServer writes the path of the model relative to the settings' folder.
    file: typeof uri === 'string' ? uri.replace(/^\.\//, '') : defaults.file,
    maxBatchSize: maxRows > 1 ? maxRows : defaults.maxBatchSize,
    batch:
      maxRows > 1 ? { maxRows, preferredRows: [], maxDelayMs: seconds * 1000 } : defaults.batch,
    responseCache: settings.cache_enabled === true || defaults.responseCache,
    parameters: Object.fromEntries(
      Object.entries(settings.parameters?.extra ?? {}).map(([key, value]) => [key, String(value)]),
    ),
  };
}

function number(value: unknown, path: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value >= 0)) {
    throw new SyntaxError(`${path}: expected a number of at least 0, got ${JSON.stringify(value)}`);
  }
  return value;
}
