/** Which files are models, and of which format: by name, and where names are shared by their first bytes. */
import { closeSync, openSync, readSync } from 'node:fs';

export type Format = 'onnx' | 'javascript' | 'xgboost' | 'lightgbm' | 'sklearn';

/** Extension → format. */
const EXTENSIONS: Readonly<Record<string, Format>> = {
  '.onnx': 'onnx',
  '.json': 'xgboost',
  '.ubj': 'xgboost',
  '.bst': 'xgboost',
  '.txt': 'lightgbm',
  '.joblib': 'sklearn',
  '.pickle': 'sklearn',
  '.pkl': 'sklearn',
};
/** Extensions of models, for messages. */
export const MODEL_EXTENSIONS = Object.keys(EXTENSIONS);

/** A model in JavaScript. */
const MODULE = 'model.mjs';
/** Configuration and texts have these extensions, too. */
const SHARED = new Set(['.json', '.txt']);
const HEAD_BYTES = 4096;

/**
 * The format of a model's file. Both XGBoost's and LightGBM's may be called `.bst`.
 * @throws Error when the file cannot be read.
 */
export function formatOf(path: string): Format {
  if (path.endsWith('.mjs')) return 'javascript';
  const format = EXTENSIONS[extensionOf(path)];
  if (format !== undefined && !path.endsWith('.bst')) return format;
  return isLightgbm(head(path)) ? 'lightgbm' : (format ?? 'onnx');
}

/** True for a file that is a model by its name; where others have such names, by its beginning, too. */
export function isModelFile(path: string, name: string): boolean {
  const extension = extensionOf(name);
  if (name === MODULE) return true;
  if (EXTENSIONS[extension] === undefined) return false;
  if (!SHARED.has(extension) || name.startsWith('model.')) return true;
  const text = head(path);
  return extension === '.txt' ? isLightgbm(text) : text.includes('"learner"');
}

function extensionOf(path: string): string {
  return path.slice(path.lastIndexOf('.'));
}

function isLightgbm(text: string): boolean {
  return /^tree\r?\n/.test(text);
}

function head(path: string): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(HEAD_BYTES);
    return bytes.toString('latin1', 0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}
