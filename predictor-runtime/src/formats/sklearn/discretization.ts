/** Reads transformers that make several columns of one: KBinsDiscretizer, SplineTransformer (sklearn.preprocessing). */
import { PickleObject } from '../files/pickle.ts';
import { cellError, numbersOf, type Table } from '../table.ts';
import { type EstimatorReader, NAN } from './estimator.ts';
import { elementsOf, type Fitted, isNumbers } from './fitted.ts';
import { countUpTo } from './interpolation.ts';
import { basisOf, type Spline, slopesOf } from './splines.ts';

/** Returns the number of a value's bin. Until 1.1 a value that is a little below an edge counted as being on it. */
function binOf(value: number, inner: Float64Array, isTolerant: boolean): number {
  const moved = isTolerant ? value + (1e-8 + 1e-5 * Math.abs(value)) : value;
  return countUpTo(inner, moved);
}

const bins: EstimatorReader = (fitted) => {
  const encode = fitted.oneOf('encode', ['onehot', 'onehot-dense', 'ordinal']);
  const edges = fitted.list('bin_edges_').map((values) => {
    return isNumbers(values) ? values.data : fitted.refuse('bin_edges_ that are no numbers');
  });
  const inner = edges.map((values) => values.slice(1, -1));
  const isTolerant = !fitted.isSince(1, 2);
  const starts: number[] = [0];
  for (const values of inner)
    starts.push((starts[starts.length - 1] as number) + values.length + 1);
  const total = starts.pop() as number;
  return {
    transform: (table) => {
      const { data, ...rest } = numbersOf(table);
      const { rows, width } = rest;
      const codes = data.map((value, i) =>
        binOf(value, inner[i % width] as Float64Array, isTolerant),
      );
      if (encode === 'ordinal') return { ...rest, data: codes };
      const flags = new Float64Array(rows * total);
      codes.forEach((code, i) => {
        flags[Math.floor(i / width) * total + (starts[i % width] as number) + code] = 1;
      });
      return { rows, width: total, data: flags };
    },
  };
};

/** Reads the spline of a column: its knots, and how its basis functions make the columns. */
function readSpline(value: unknown, outer: Fitted): Spline {
  // Since SciPy 1.18 the spline is within an object of the same name.
  const isNested = value instanceof PickleObject && Array.isArray(value.state);
  const fitted = outer.within(isNested ? elementsOf(value.state)?.[0] : value);
  const [knots, coefficients] = fitted.has('c') ? ['t', 'c'] : ['_t', '_c'];
  const [, width = 0] = fitted.array(coefficients).shape;
  return {
    knots: fitted.numbers(knots),
    degree: fitted.number('k'),
    coefficients: fitted.numbers(coefficients),
    width,
  };
}

/** The rule for values beyond the knots of a spline. */
type Extrapolation = 'error' | 'constant' | 'linear' | 'continue' | 'periodic';

/** A spline's column, and the rule for values beyond its ends. */
interface SplineColumn {
  readonly spline: Spline;
  readonly beyond: Extrapolation;
  readonly least: number;
  readonly most: number;
}

/** Returns the columns that a spline makes of a value; undefined where it may not be beyond the knots. */
function splineRow(
  { spline, beyond, least, most }: SplineColumn,
  value: number,
): Float64Array | undefined {
  if (value >= least && value <= most) {
    // The end of a period is the beginning of the next one.
    return basisOf(spline, beyond === 'periodic' && value === most ? least : value);
  }
  if (beyond === 'error') return undefined;
  if (beyond === 'continue') return basisOf(spline, value);
  if (beyond === 'periodic') {
    const period = most - least;
    const rest = (value - least) % period;
    return basisOf(spline, least + (rest < 0 ? rest + period : rest));
  }
  if (beyond === 'linear') return lines({ spline, beyond, least, most }, value);
  const isFirst = value < least;
  return onlyAtEnd(basisOf(spline, isFirst ? least : most), spline.degree, isFirst);
}

/** Returns the lines on which the splines that reach an end go on. Of few knots, a value may be beyond both ends. */
function lines({ spline, least, most }: SplineColumn, value: number): Float64Array {
  const line = (end: number) => {
    const slopes = slopesOf(spline, end);
    return basisOf(spline, end).map((one, i) => one + (value - end) * (slopes[i] as number));
  };
  const [low, high] = [line(least), line(most)];
  const row = new Float64Array(spline.width);
  for (let i = 0; i < Math.max(spline.degree, 2); i++) {
    const last = row.length - 1 - i;
    if (value < least) row[i] = low[i] as number;
    if (value > most) row[last] = high[last] as number;
  }
  return row;
}

/**
 * Returns the numbers between which a column's spline holds. For lines beyond the ends of splines of degree 0 and 1,
 * scikit-learn raises the degree for each column but the first, and so begins the lines of these further inside.
 */
function endsOf({ knots, degree }: Spline, beyond: Extrapolation, column: number) {
  const raised = beyond === 'linear' && degree <= 1 ? Math.min(degree + column, 2) : degree;
  return { least: knots[raised] as number, most: knots[knots.length - raised - 1] as number };
}

/** Keeps the values of the splines that reach an end, which are as many as the degree. */
function onlyAtEnd(row: Float64Array, degree: number, isFirst: boolean): Float64Array {
  return row.map((one, i) => ((isFirst ? i < degree : i >= row.length - degree) ? one : 0));
}

const splines: EstimatorReader = (fitted) => {
  const known = ['error', 'constant', 'linear', 'continue', 'periodic'] as const;
  const beyond = fitted.oneOf('extrapolation', known, 'constant');
  const all = fitted.list('bsplines_').map((value, column): SplineColumn => {
    const spline = readSpline(value, fitted);
    return { spline, beyond, ...endsOf(spline, beyond, column) };
  });
  const takesNan = fitted.get('handle_missing') === 'zeros';
  const hasBias = fitted.flag('include_bias', true);
  const widths = all.map(({ spline }) => spline.width - (hasBias ? 0 : 1));
  const total = widths.reduce((sum, width) => sum + width, 0);
  return {
    accepts: takesNan ? NAN : undefined,
    transform: (table: Table) => {
      const { rows, width, data } = numbersOf(table);
      const result = new Float64Array(rows * total);
      let at = 0;
      data.forEach((value, i) => {
        const column = all[i % width] as SplineColumn;
        const own = widths[i % width] as number;
        if (!Number.isNaN(value)) {
          const row = splineRow(column, value);
          if (row === undefined) {
            const { least, most } = column;
            const problem = `SplineTransformer with extrapolation='error' takes numbers from ${least} to ${most}, got ${value}`;
            throw cellError(table, i, problem);
          }
          result.set(row.subarray(0, own), at);
        }
        at += own;
      });
      return { rows, width: total, data: result };
    },
  };
};

/** Readers by class. */
export const DISCRETIZATION: Readonly<Record<string, EstimatorReader>> = {
  KBinsDiscretizer: bins,
  SplineTransformer: splines,
};
