/** From a file to a model of rows and columns, by the reader of its format. */
import { open } from 'node:fs/promises';
import { formatOf } from './format.ts';
import { openLightgbm } from './lightgbm/lightgbm.ts';
import { openSklearn } from './sklearn/sklearn.ts';
import type { TabularModel } from './tabular-model.ts';
import { type SharedWeights, WeightStore } from './weight-store.ts';
import { openXgboost } from './xgboost/xgboost.ts';

/** @throws Error with what the file has that is not read here. */
export async function openTabularFile(path: string): Promise<TabularModel> {
  return (await openForThreads(path, 1)).model;
}

/** What a thread needs to evaluate a model that another has opened; it can be sent to it. */
export interface SharedModel {
  readonly path: string;
  /** Of the file that was read: another one may take its place. */
  readonly version: string;
  readonly weights: SharedWeights;
}

/** Opens a model for this thread and `others` more. @throws Error with what the file has that is not read here. */
export async function openForThreads(
  path: string,
  others: number,
): Promise<{ model: TabularModel; shared: SharedModel }> {
  const { bytes, version } = await readVersion(path);
  const store = WeightStore.first(others + 1);
  const model = read(path, bytes, store);
  return { model, shared: { path, version, weights: store.parts } };
}

/** Opens it as one of these others, the `place`-th from 1 on. @throws Error when the file is no longer the same. */
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
