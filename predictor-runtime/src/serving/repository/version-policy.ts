/** The choice of a model's versions that are wanted: TensorFlow Serving's and Triton's version policies. */
import { parseVersion } from '../../protocol/versions.ts';

/** Rule that says which of a model's versions are wanted. */
export type VersionPolicy =
  | { readonly kind: 'latest'; readonly count: number }
  | { readonly kind: 'all' }
  | { readonly kind: 'specific'; readonly versions: readonly number[] };

export const LATEST: VersionPolicy = { kind: 'latest', count: 1 };

/** Selects the wanted ones of the available versions, in ascending order. */
export function selectVersions(available: readonly number[], policy: VersionPolicy): number[] {
  const sorted = [...available].sort((a, b) => a - b);
  switch (policy.kind) {
    case 'all':
      return sorted;
    case 'latest':
      return sorted.slice(-policy.count);
    case 'specific':
      return sorted.filter((version) => policy.versions.includes(version));
  }
}

/** A policy as Triton's and TensorFlow Serving's configurations write it. */
export interface PolicyMessage {
  readonly latest?: { readonly num_versions?: number };
  readonly all?: object;
  readonly specific?: { readonly versions?: readonly number[] };
}

/** Reads a policy of a configuration; undefined when the message says nothing. */
export function policyOf(message: PolicyMessage | undefined): VersionPolicy | undefined {
  if (message?.all !== undefined) return { kind: 'all' };
  if (message?.latest !== undefined)
    return { kind: 'latest', count: message.latest.num_versions ?? 1 };
  if (message?.specific === undefined) return undefined;
  return { kind: 'specific', versions: message.specific.versions ?? [] };
}

/** Parses a policy of the command line: `latest`, `latest:N`, `all` or `specific:1,3`. @throws Error. */
export function parseVersionPolicy(text: string): VersionPolicy {
  const [kind, argument] = text.split(':', 2);
  if (kind === 'all' && argument === undefined) return { kind: 'all' };
  const numbers = argument?.split(',').map(parseVersion) ?? [];
  const valid = numbers.filter((number) => number !== undefined);
  if (valid.length === numbers.length) {
    const [count = 1] = valid;
    if (kind === 'latest' && valid.length < 2 && count > 0) return { kind: 'latest', count };
    if (kind === 'specific' && valid.length > 0) return { kind: 'specific', versions: valid };
  }
  throw new Error(`expected latest, latest:N, all or specific:N,…, got '${text}'`);
}
