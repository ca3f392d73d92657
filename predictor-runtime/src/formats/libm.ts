/**
 * The C library's exponentials and logarithms, which XGBoost and LightGBM call. Now and then they differ from V8's, and
 * are not the nearest float. Where there is no glibc, V8's are taken.
 */
import { koffi } from '../platform/foreign-functions.ts';

type Function = (value: number) => number;

/** Loads a function of glibc, or returns `otherwise` where there is none. */
function functionOf(declaration: string, otherwise: Function): Function {
  try {
    return koffi.load('libm.so.6').func(declaration) as unknown as Function;
  } catch {
    return otherwise;
  }
}

/** Returns e^x as a double. */
export const exp = functionOf('double exp(double)', Math.exp);
/** Returns ln(1 + x) as a double. */
export const log1p = functionOf('double log1p(double)', Math.log1p);
/** Returns e^x as a float32. */
export const expf = functionOf('float expf(float)', (value) => Math.fround(Math.exp(value)));
/** Returns ln(x) as a float32. */
export const logf = functionOf('float logf(float)', (value) => Math.fround(Math.log(value)));
