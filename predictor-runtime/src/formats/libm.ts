/**
 * The C library's exponentials and logarithms, which XGBoost and LightGBM call, too: now and then they are not the nearest
 * float, or not V8's double. Where there is no glibc, V8's are taken.
 */
import { koffi } from '../platform/foreign-functions.ts';

type Function = (value: number) => number;

function functionOf(declaration: string, otherwise: Function): Function {
  try {
    return koffi.load('libm.so.6').func(declaration) as unknown as Function;
  } catch {
    return otherwise;
  }
}

export const exp = functionOf('double exp(double)', Math.exp);
export const log1p = functionOf('double log1p(double)', Math.log1p);
export const expf = functionOf('float expf(float)', (value) => Math.fround(Math.exp(value)));
export const logf = functionOf('float logf(float)', (value) => Math.fround(Math.log(value)));
