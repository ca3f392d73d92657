/** Makes probabilities of a support vector machine's decisions, as libsvm does: pair by pair, and then all in one. */
import type { Table } from '../table.ts';
import type { Values } from './estimator.ts';
import type { Fitted } from './fitted.ts';

/** Smallest probability of a class against another one. */
const LEAST = 1e-7;

/** Returns the probability of the first class of a pair by its decision (Platt's sigmoid). */
function shareOf(decision: number, slope: number, offset: number): number {
  const power = decision * slope + offset;
  const share = power >= 0 ? Math.exp(-power) / (1 + Math.exp(-power)) : 1 / (1 + Math.exp(power));
  return Math.min(Math.max(share, LEAST), 1 - LEAST);
}

/** Makes the function that computes the probabilities of the classes of a machine that was fitted with probability=True. */
export function coupledShares(
  fitted: Fitted,
  { decisions, count }: { decisions: (table: Table) => Values; count: number },
): (table: Table) => Values {
  const slopes = fitted.numbers('_probA');
  const offsets = fitted.numbers('_probB');
  return (table) => {
    const { width, data } = decisions(table);
    const shares = new Float64Array(table.rows * count);
    for (let row = 0; row < table.rows; row++) {
      const pairs = new Float64Array(count * count);
      let pair = 0;
      for (let a = 0; a < count; a++) {
        for (let b = a + 1; b < count; b++, pair++) {
          const decision = data[row * width + pair] as number;
          const share = shareOf(decision, slopes[pair] as number, offsets[pair] as number);
          pairs[a * count + b] = share;
          pairs[b * count + a] = 1 - share;
        }
      }
      shares.set(coupled(pairs, count), row * count);
    }
    return { width: count, data: shares };
  };
}

/** Returns the matrix of the quadratic form that coupling makes smallest. */
function formOf(pairs: Float64Array, count: number): Float64Array {
  const form = new Float64Array(count * count);
  for (let a = 0; a < count; a++) {
    for (let b = 0; b < count; b++) {
      if (a === b) continue;
      const [against, own] = [pairs[b * count + a] as number, pairs[a * count + b] as number];
      form[a * count + a] = (form[a * count + a] as number) + against * against;
      form[a * count + b] = -against * own;
    }
  }
  return form;
}

/**
 * Returns the probabilities of classes that agree best with those of the pairs (Wu, Lin and Weng 2004). It stops as
 * early as libsvm, as its answers are not the end of the iteration.
 */
function coupled(pairs: Float64Array, count: number): Float64Array {
  const form = formOf(pairs, count);
  const shares = new Float64Array(count).fill(1 / count);
  const slopes = new Float64Array(count);
  for (let round = 0; round < Math.max(100, count); round++) {
    let value = 0;
    for (let a = 0; a < count; a++) {
      slopes[a] = 0;
      for (let b = 0; b < count; b++) {
        slopes[a] = (slopes[a] as number) + (form[a * count + b] as number) * (shares[b] as number);
      }
      value += (shares[a] as number) * (slopes[a] as number);
    }
    const error = slopes.reduce((most, slope) => Math.max(most, Math.abs(slope - value)), 0);
    if (error < 0.005 / count) break;
    for (let a = 0; a < count; a++) {
      const own = form[a * count + a] as number;
      const step = (value - (slopes[a] as number)) / own;
      shares[a] = (shares[a] as number) + step;
      value = (value + step * (step * own + 2 * (slopes[a] as number))) / (1 + step) ** 2;
      for (let b = 0; b < count; b++) {
        slopes[b] = ((slopes[b] as number) + step * (form[a * count + b] as number)) / (1 + step);
        shares[b] = (shares[b] as number) / (1 + step);
      }
    }
  }
  return shares;
}
