/**
 * Tells which files are models, and of which format: by their names, and by their first bytes where formats share a
 * name.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';

/** The framework that wrote a model, or the language that it is written in: it decides how a file is read. */
export type Format = 'onnx' | 'javascript' | 'xgboost' | 'lightgbm' | 'sklearn';

/** The format of each extension. */
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
/** Extensions of files that are models, for messages. */
export const MODEL_EXTENSIONS = Object.keys(EXTENSIONS);

/** Name of a model in JavaScript. */
const MODULE = 'model.mjs';
/** Extensions that files of configuration and texts have, too. */
const SHARED = new Set(['.json', '.txt']);
/** Size of a file's beginning that is looked at. */
const HEAD_BYTES = 4096;

/**
 * Returns the format of a model's file. A `.bst` file may be XGBoost's or LightGBM's: its first bytes tell.
 * @throws Error when the file cannot be read.
 */
export function formatOf(path: string): Format {
  if (path.endsWith('.mjs')) return 'javascript';
  const format = EXTENSIONS[extensionOf(path)];
  if (format !== undefined && !path.endsWith('.bst')) return format;
  return isLightgbm(head(path)) ? 'lightgbm' : (format ?? 'onnx');
}

/**
 * Tells whether a file is a model, by its name; where other files have such names, too, by its first bytes.
 * @throws Error when the file has to be read and cannot be.
 */
export function isModelFile(path: string, name: string): boolean {
  const extension = extensionOf(name);
  if (name === MODULE) return true;
  if (EXTENSIONS[extension] === undefined) return false;
  if (!SHARED.has(extension) || name.startsWith('model.')) return true;
  // A link that leads nowhere says nothing, and a pipe would never.
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return false;
  const text = head(path);
  return extension === '.txt' ? isLightgbm(text) : text.includes('"learner"');
}

function extensionOf(path: string): string {
  return path.slice(path.lastIndexOf('.'));
}

function isLightgbm(text: string): boolean {
  return /^tree\r?\n/.test(text);
}

/** Returns the beginning of a file. */
function head(path: string): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(HEAD_BYTES);
    return bytes.toString('latin1', 0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}
