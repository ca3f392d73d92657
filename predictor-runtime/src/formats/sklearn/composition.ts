/** Reads estimators that are made of others (sklearn.pipeline, sklearn.compose). */
import { isNdArray } from '../files/numpy.ts';
import { PickleObject } from '../files/pickle.ts';
import { beside, pickColumns, type Table } from '../table.ts';
import {
  ANYTHING,
  type Estimator,
  type EstimatorReader,
  type InputColumns,
  inputOf,
} from './estimator.ts';
import { Fitted, show } from './fitted.ts';

type Transform = (table: Table) => Table;

/** A member that transforms, and the columns that it takes. */
interface Transformer extends InputColumns {
  readonly transform: Transform;
}

/**
 * Reads a transformer, or one of the words that stand for none.
 * @throws Error when the estimator does not transform.
 */
function readTransformer(value: unknown, read: (value: unknown) => Estimator): Transformer {
  if (value === null || value === 'passthrough') return { transform: (table) => table };
  const estimator = read(value);
  const { transform } = estimator;
  if (transform === undefined) throw new Error(`${show(value)} does not transform`);
  return { ...inputOf(estimator), transform };
}

const pipeline: EstimatorReader = (fitted, read) => {
  const steps = (fitted.list('steps') as readonly [string, unknown][]).filter(
    ([, step]) => step !== null && step !== 'passthrough',
  );
  const members = steps.map(([, step]) => read(step));
  const last = members.pop();
  if (last === undefined) return { accepts: ANYTHING, transform: (table) => table };
  const transforms = members.map(({ transform }, i) => {
    if (transform === undefined) throw new Error(`step '${steps[i]?.[0]}' does not transform`);
    return transform;
  });
  const prepare: Transform = (table) => transforms.reduce((next, step) => step(next), table);
  const after = <T>(compute: ((table: Table) => T) | undefined) =>
    compute && ((table: Table) => compute(prepare(table)));
  return {
    ...inputOf(members[0] ?? last),
    accepts: ANYTHING,
    classes: last.classes,
    isClusterer: last.isClusterer,
    targets: last.targets,
    single: last.single,
    transform: after(last.transform),
    predict: after(last.predict),
    predictProba: after(last.predictProba),
    decisionFunction: after(last.decisionFunction),
  };
};

const union: EstimatorReader = (fitted, read) => {
  if (fitted.has('transformer_weights')) fitted.refuse('transformer_weights');
  const members = (fitted.list('transformer_list') as readonly [string, unknown][])
    .filter(([, member]) => member !== 'drop')
    .map(([, member]) => readTransformer(member, read));
  return {
    ...sharedInput(members),
    accepts: ANYTHING,
    transform: (table) =>
      beside(
        table.rows,
        members.map(({ transform }) => transform(table)),
      ),
  };
};

/** Returns the columns that members take side by side: those that one of them reads must be there. */
export function sharedInput(members: readonly InputColumns[]): InputColumns {
  const { features, columns } = members.find((member) => member.features !== undefined) ?? {};
  const text = new Set(members.flatMap(({ textColumns = [] }) => textColumns));
  const [first, ...others] = members.map(({ spareColumns }) => spareColumns);
  const isOpen = others.every((spare) => spare !== undefined);
  return {
    features,
    columns,
    textColumns: text.size > 0 ? [...text] : undefined,
    spareColumns: isOpen
      ? first?.filter((column) => others.every((spare) => spare.includes(column)))
      : undefined,
  };
}

const columnTransformer: EstimatorReader = (fitted, read) => {
  const names = fitted.has('feature_names_in_') ? fitted.list('feature_names_in_') : [];
  const count = fitted.number('n_features_in_');
  const members = (fitted.list('transformers_') as readonly [string, unknown, unknown][])
    .filter(([, member]) => member !== 'drop')
    .map(([, member, columns]) => ({
      ...readTransformer(member, read),
      columns: readColumns(columns, { names, count }),
    }))
    .filter(({ columns }) => columns.length > 0);
  const textColumns = members.flatMap(({ textColumns: own = [], columns }) =>
    own.map((column) => columns[column] as number),
  );
  const used = new Set(members.flatMap(({ columns }) => columns));
  return {
    spareColumns: Array.from({ length: count }, (_, i) => i).filter((i) => !used.has(i)),
    accepts: ANYTHING,
    textColumns: textColumns.length > 0 ? textColumns : undefined,
    transform: (table) =>
      beside(
        table.rows,
        members.map(({ transform, columns }) => transform(pickColumns(table, columns))),
      ),
  };
};

/**
 * Returns the numbers of columns that are given by names, by numbers (from the end, where negative), by flags or as a
 * slice.
 * @throws Error when a column is not there.
 */
function readColumns(
  value: unknown,
  about: { readonly names: readonly unknown[]; readonly count: number },
): number[] {
  const { names, count } = about;
  if (value instanceof PickleObject && value.type.endsWith('.slice')) {
    const [start, stop, step] = value.args;
    const end = stop === null ? count : indexOf(stop, names, count);
    // The last name of a slice is part of it, as in pandas.
    const past = typeof stop === 'string' ? end + 1 : end;
    const first = start === null ? 0 : indexOf(start, names, count);
    const by = Number(step ?? 1);
    return Array.from(
      { length: Math.max(Math.ceil((past - first) / by), 0) },
      (_, i) => first + i * by,
    );
  }
  if (value instanceof PickleObject) return readColumns(new Fitted(value).get('data'), about);
  if (isNdArray(value)) return readColumns(flags(value.dtype, [...value.data]), about);
  if (!Array.isArray(value)) return [indexOf(value, names, count)];
  if (value.every((column) => typeof column === 'boolean')) {
    return value.flatMap((isWanted, i) => (isWanted ? [i] : []));
  }
  return value.map((column) => indexOf(column, names, count));
}

/** Returns flags as booleans, if the array is of flags. */
function flags(dtype: string, values: readonly unknown[]): readonly unknown[] {
  return dtype === 'b1' ? values.map((value) => value === 1) : values;
}

/** Returns the number of a column. The number of columns is allowed, too, as the end of a slice. */
function indexOf(column: unknown, names: readonly unknown[], count: number): number {
  const index =
    typeof column === 'number' ? (column < 0 ? column + count : column) : names.indexOf(column);
  if (!(index >= 0 && index <= count))
    throw new Error(`ColumnTransformer has no column ${show(column)}`);
  return index;
}

/** Readers by class. */
export const COMPOSITION: Readonly<Record<string, EstimatorReader>> = {
  ColumnTransformer: columnTransformer,
  FeatureUnion: union,
  Pipeline: pipeline,
};
