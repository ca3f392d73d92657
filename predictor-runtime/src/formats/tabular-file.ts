/** From a file to a model of rows and columns, by the reader of its format. */
import { readFile } from 'node:fs/promises';
import { formatOf } from './format.ts';
import { openLightgbm } from './lightgbm.ts';
import { openSklearn } from './sklearn.ts';
import type { TabularModel } from './tabular-model.ts';
import { openXgboost } from './xgboost.ts';

/** @throws Error with what the file has that is not read here. */
export async function openTabularFile(path: string): Promise<TabularModel> {
  const bytes = await readFile(path);
  const format = formatOf(path);
  if (format === 'xgboost') return openXgboost(bytes);
  return format === 'lightgbm' ? openLightgbm(bytes.toString('utf8')) : openSklearn(bytes);
}
