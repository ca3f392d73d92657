/** Opens a file as a model of rows and columns, by the reader of its format. */
import { open } from 'node:fs/promises';
import { formatOf } from './format.ts';
import { openLightgbm } from './lightgbm/lightgbm.ts';
import { openSklearn } from './sklearn/sklearn.ts';
import type { TabularModel } from './tabular-model.ts';
import { type SharedWeights, WeightStore } from './weight-store.ts';
import { openXgboost } from './xgboost/xgboost.ts';

/** Opens a model for one thread. @throws Error that names what the file has that is not read here. */
export async function openTabularFile(path: string): Promise<TabularModel> {
  return (await openForThreads(path, 1)).model;
}

/** A model that one thread has opened, in a form that can be sent to others. */
export interface SharedModel {
  readonly path: string;
  /** Tells the file that was read from one that took its place later. */
  readonly version: string;
  /** Large arrays of the model, in shared memory. */
  readonly weights: SharedWeights;
}

/**
 * Opens a model for this thread, and shares it with others.
 * @param others the number of other threads
 * @throws Error that names what the file has that is not read here.
 */
export async function openForThreads(
  path: string,
  others: number,
): Promise<{ model: TabularModel; shared: SharedModel }> {
  const { bytes, version } = await readVersion(path);
  const store = WeightStore.first(others + 1);
  const model = read(path, bytes, store);
  return { model, shared: { path, version, weights: store.parts } };
}

/**
 * Opens a model that another thread has opened and shared.
 * @param place the number of this thread among the others, from 1 on
 * @throws Error when the file has changed since.
 */
export async function openShared(shared: SharedModel, place: number): Promise<TabularModel> {
  const { path, weights } = shared;
  const { bytes, version } = await readVersion(path);
  if (version !== shared.version) throw new Error(`${path} has changed since it was loaded`);
  return read(path, bytes, WeightStore.other(weights, place));
}

async function readVersion(path: string): Promise<{ bytes: Buffer; version: string }> {
  const file = await open(path);
  try {
    const { ino, size, mtimeMs } = await file.stat();
    return { bytes: await file.readFile(), version: `${ino} ${size} ${mtimeMs}` };
  } finally {
    await file.close();
  }
}

function read(path: string, bytes: Buffer, store: WeightStore): TabularModel {
  const format = formatOf(path);
  if (format === 'xgboost') return openXgboost(bytes, store);
  if (format === 'lightgbm') return openLightgbm(bytes.toString('utf8'), store);
  return openSklearn(bytes, store);
}
