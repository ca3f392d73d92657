/** Arrivals to simulate: times in seconds, ascending, recorded ones or such that a seed makes again and again. */
import { readFileSync } from 'node:fs';

/** Source of random numbers in [0, 1). */
export type Random = () => number;

/** Returns a source of random numbers that gives the same ones for the same seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Returns a number of the exponential distribution with this mean. */
export function exponential(random: Random, mean: number): number {
  return -mean * Math.log(1 - random());
}

/** Requests a second at a time in seconds. */
export type Rate = (seconds: number) => number;

/** Returns arrivals at random for `seconds`, at a rate that never exceeds `most` (thinning). */
export function poisson(rate: Rate, most: number, seconds: number, random: Random): number[] {
  const times: number[] = [];
  for (let t = exponential(random, 1 / most); t < seconds; t += exponential(random, 1 / most)) {
    if (random() * most < rate(t)) times.push(t);
  }
  return times;
}

/** Returns the rate of a service that is quiet but for bursts of 20 to 60 seconds, one in 5 minutes. */
export function bursts(quiet: number, loud: number, seconds: number, random: Random): Rate {
  const periods: [number, number][] = [];
  for (let t = exponential(random, 300); t < seconds; t += exponential(random, 300)) {
    const end = t + 20 + 40 * random();
    periods.push([t, end]);
    t = end;
  }
  return (at) => (periods.some(([from, to]) => at >= from && at < to) ? loud : quiet);
}

/** Returns arrivals with the same pause between all of them, but for a tenth more or less. */
export function periodic(pause: number, seconds: number, random: Random): number[] {
  const times: number[] = [];
  for (let t = pause * random(); t < seconds; t += pause * (0.9 + 0.2 * random())) times.push(t);
  return times;
}

/**
 * Reads recorded arrivals: milliseconds since the arrival before, separated by white space; lines that begin with
 * `#` are comments.
 */
export function recorded(file: string | URL): number[] {
  let time = 0;
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .flatMap((line) => line.split(/\s+/).filter((word) => word !== ''))
    .map((word) => {
      time += Number(word) / 1000;
      return time;
    });
}
