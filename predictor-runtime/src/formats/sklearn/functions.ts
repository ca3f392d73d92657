/** Reads a FunctionTransformer of NumPy's own functions of one number (sklearn.preprocessing). */
import { PickleDict, PickleGlobal, PickleObject } from '../files/pickle.ts';
import type { Table } from '../table.ts';
import { eachValue } from './distributions.ts';
import { ANYTHING, type EstimatorReader } from './estimator.ts';
import { type Fitted, show } from './fitted.ts';

/** Rounds to the nearest whole number, and to the even one of two, as NumPy does. */
function roundToEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

const toRadians = (value: number) => value * (Math.PI / 180);
const toDegrees = (value: number) => value * (180 / Math.PI);

/** NumPy's functions by name. Those that tell something give 1 for true, and 0. */
const FUNCTIONS_BY_NAME: Readonly<Record<string, (value: number) => number>> = {
  abs: Math.abs,
  absolute: Math.abs,
  arccos: Math.acos,
  arccosh: Math.acosh,
  arcsin: Math.asin,
  arcsinh: Math.asinh,
  arctan: Math.atan,
  arctanh: Math.atanh,
  cbrt: Math.cbrt,
  ceil: Math.ceil,
  cos: Math.cos,
  cosh: Math.cosh,
  deg2rad: toRadians,
  degrees: toDegrees,
  exp: Math.exp,
  exp2: (value) => 2 ** value,
  expm1: Math.expm1,
  fabs: Math.abs,
  floor: Math.floor,
  isfinite: (value) => Number(Number.isFinite(value)),
  isinf: (value) => Number(Math.abs(value) === Number.POSITIVE_INFINITY),
  isnan: (value) => Number(Number.isNaN(value)),
  log: Math.log,
  log10: Math.log10,
  log1p: Math.log1p,
  log2: Math.log2,
  logical_not: (value) => Number(value === 0),
  negative: (value) => -value,
  positive: (value) => value,
  rad2deg: toDegrees,
  radians: toRadians,
  reciprocal: (value) => 1 / value,
  rint: roundToEven,
  sign: Math.sign,
  signbit: (value) => Number(value < 0 || Object.is(value, -0)),
  sin: Math.sin,
  sinh: Math.sinh,
  sqrt: Math.sqrt,
  square: (value) => value * value,
  tan: Math.tan,
  tanh: Math.tanh,
  trunc: Math.trunc,
};

/** Reads a function of a FunctionTransformer, where there is one. @throws UnsupportedModelError for other ones. */
function readFunction(fitted: Fitted, name: string, kwArgs: string): (table: Table) => Table {
  const value = fitted.get(name);
  if (value === undefined || isCheck(value)) return (table) => table;
  const given = fitted.get(kwArgs);
  const compute =
    value instanceof PickleGlobal && value.name.startsWith('numpy')
      ? FUNCTIONS_BY_NAME[value.name.slice(value.name.lastIndexOf('.') + 1)]
      : undefined;
  const isPlain = given === undefined || (given instanceof PickleDict && given.size === 0);
  if (compute !== undefined && isPlain) return eachValue(compute);
  return fitted.refuse(`${name}=${show(value)}${isPlain ? '' : ' and arguments'}`);
}

/** True for scikit-learn's own check of a matrix, which changes nothing. */
function isCheck(value: unknown): boolean {
  if (!(value instanceof PickleObject) || value.type !== 'functools.partial') return false;
  const [inner] = value.args;
  return inner instanceof PickleGlobal && inner.name === 'sklearn.utils.validation.check_array';
}

const functionTransformer: EstimatorReader = (fitted) => ({
  accepts: fitted.flag('validate', false) ? undefined : ANYTHING,
  transform: readFunction(fitted, 'func', 'kw_args'),
  inverseTransform: readFunction(fitted, 'inverse_func', 'inv_kw_args'),
});

/** Readers by class. */
export const FUNCTIONS: Readonly<Record<string, EstimatorReader>> = {
  FunctionTransformer: functionTransformer,
};
