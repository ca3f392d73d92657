/** The values of flags: text → value, or a usage error that says what was expected. */

import { InvalidArgumentError } from 'commander';
import { PROVIDERS, type Provider } from '../engine/onnx/provider-choice.ts';
import { parseVersion } from '../protocol/versions.ts';
import { parseVersionPolicy, type VersionPolicy } from '../serving/repository/version-policy.ts';

/** Parses a port, 0 to 65535. @throws InvalidArgumentError. */
export function port(text: string): number {
  return number(
    text,
    (value) => Number.isInteger(value) && value >= 0 && value <= 65535,
    'a port, 0 to 65535',
  );
}

/** Parses an address to listen on; the brackets of an IPv6 address, which URLs need, may be there. */
export function address(text: string): string {
  return text.replace(/^\[(.*)\]$/, '$1');
}

/** Parses a whole number of at least 1. @throws InvalidArgumentError. */
export function count(text: string): number {
  return number(
    text,
    (value) => Number.isSafeInteger(value) && value >= 1,
    'a whole number of at least 1',
  );
}

/** Parses a whole number of at least 0. @throws InvalidArgumentError. */
export function count0(text: string): number {
  return number(
    text,
    (value) => Number.isSafeInteger(value) && value >= 0,
    'a whole number of at least 0',
  );
}

/** Parses a number above 0. @throws InvalidArgumentError. */
export function positive(text: string): number {
  return number(text, (value) => value > 0, 'a number above 0');
}

/** Parses a number of at least 0. @throws InvalidArgumentError. */
export function positive0(text: string): number {
  return number(text, (value) => value >= 0, 'a number of at least 0');
}

function number(text: string, isValid: (value: number) => boolean, expected: string): number {
  const value = Number(text);
  if (text.trim() === '' || !isValid(value))
    throw new InvalidArgumentError(`expected ${expected}.`);
  return value;
}

/** Parses the status of a request that the queue has no room for: 429 or 503. @throws InvalidArgumentError. */
export function overloadStatus(text: string): number {
  return number(text, (value) => value === 429 || value === 503, '429 or 503');
}

/** Parses a version policy, as in `latest:2`. @throws InvalidArgumentError. */
export function policy(text: string): VersionPolicy {
  try {
    return parseVersionPolicy(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Parses labels of versions, as in `stable=3,canary=4`. @throws InvalidArgumentError. */
export function labels(text: string): Record<string, number> {
  const pairs = text.split(',').map((pair) => pair.split('=', 2));
  return Object.fromEntries(
    pairs.map(([label = '', number = '']) => {
      const version = parseVersion(number);
      if (!/^[A-Za-z_][\w-]*$/.test(label) || version === undefined) {
        throw new InvalidArgumentError('expected LABEL=VERSION,…');
      }
      return [label, version];
    }),
  );
}

export const PROVIDER_NAMES = PROVIDERS.join(', ');

/** Parses execution providers, as in `cuda,cpu`. @throws InvalidArgumentError. */
export function providers(value: string): Provider[] {
  return value.split(',').map((name) => {
    const known = PROVIDERS.find((provider) => provider === name.trim());
    if (known === undefined) throw new InvalidArgumentError(`Expected some of ${PROVIDER_NAMES}.`);
    return known;
  });
}

/** Fewest requests of a model that may wait where no flag says how many. */
export const MIN_QUEUE = 100;
/** Most requests of a model that may wait where no flag says how many. */
export const MAX_QUEUE = 1000;

/**
 * Returns how many requests of a model may wait where no flag says so. Source: Knative's queue-proxy has ten wait for each
 * that may run. Before it, Knative's activator has room for thousands; here nothing is before it, hence the least.
 */
export function queueSizeFor(containerConcurrency: number): number {
  if (containerConcurrency === 0) return MAX_QUEUE;
  return Math.min(MAX_QUEUE, Math.max(MIN_QUEUE, 10 * containerConcurrency));
}
