/**
 * Where a peer and Wherry answer the same request otherwise. What stays is in tables, each row with its reason, which
 * docs/coming-from.md shows: a test finds no difference that is not listed, and lists none that is gone.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../harness/cluster.ts';

/** One place where two answers differ. */
export interface Difference {
  /** Title of the request and the keys on the way to the place, with dots between them. */
  readonly path: string;
  readonly there: unknown;
  readonly here: unknown;
}

/** A difference that stays. */
export interface KeptDifference {
  /** What differs, in the words of the documentation. */
  readonly what: string;
  readonly there: string;
  readonly here: string;
  readonly why: string;
  /** Paths where it shows. Each of these finds some. */
  readonly at: readonly RegExp[];
}

/** Lists the places where two answers differ. Where their statuses do, no more is told. */
export function differences(there: unknown, here: unknown, title: string): Difference[] {
  for (const key of ['status', 'code']) {
    const [its, ours] = [there, here].map((answer) => (isObject(answer) ? answer[key] : undefined));
    if (its !== ours) return [{ path: `${title}.${key}`, there: its, here: ours }];
  }
  return differingFields(there, here, title);
}

function differingFields(there: unknown, here: unknown, path: string): Difference[] {
  if (isObject(there) && isObject(here) && Array.isArray(there) === Array.isArray(here)) {
    const keys = new Set([...Object.keys(there), ...Object.keys(here)]);
    return [...keys].flatMap((key) => differingFields(there[key], here[key], `${path}.${key}`));
  }
  return Object.is(there, here) ? [] : [{ path, there, here }];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Returns the differences that no row is about, a line each. */
export function unlisted(found: readonly Difference[], rows: readonly KeptDifference[]): string[] {
  const listed = rows.flatMap(({ at }) => at);
  return found
    .filter(({ path }) => !listed.some((pattern) => pattern.test(path)))
    .map((difference) => JSON.stringify(difference));
}

/** Returns what rows are about that is alike. */
export function gone(found: readonly Difference[], rows: readonly KeptDifference[]): string[] {
  return rows.flatMap(({ what, at }) =>
    at
      .filter((pattern) => !found.some(({ path }) => pattern.test(path)))
      .map((pattern) => `${what}: ${pattern}`),
  );
}

/** Tells whether the documentation shows rows as a table. @param peer name of the other server */
export function isDocumented(peer: string, rows: readonly KeptDifference[]): boolean {
  const lines = rows.map(
    ({ what, there, here, why }) => `| ${what} | ${there} | ${here} | ${why} |`,
  );
  const table = [`| what | ${peer} | here | why |`, '|---|---|---|---|', ...lines].join('\n');
  return readFileSync(join(ROOT, 'docs/coming-from.md'), 'utf8').includes(table);
}
