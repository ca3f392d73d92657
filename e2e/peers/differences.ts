/**
 * Where a peer and Wherry answer the same request differently. The tables of docs/coming-from.md list it, each row with
 * its reason, and a test compares them with what both servers really answer: no difference is untold, and none is told
 * that is gone.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../harness/cluster.ts';

/** An answer of either server: a status and a body of JSON, or what stands for them in another protocol. */
export interface PeerAnswer {
  readonly status: number;
  readonly json: unknown;
}

/** Place in the answer to a call, written `CALL: FIELD`. */
export type Difference = string;

/** Name of the call whose rows are about the bodies of all refusals. */
const REFUSALS = 'any refusal';

/**
 * Lists where two answers to a call differ: `HTTP status`, or else the paths of fields, in which the places of a list
 * count as one. The bodies of two refusals differ in the same way for all calls, and are told of once.
 * @param call name of the call in the table
 */
export function differences(call: string, there: PeerAnswer, here: PeerAnswer): Difference[] {
  if (there.status !== here.status) return [`${call}: HTTP status`];
  const fields = new Set<string>();
  compare(there.json, here.json, '', fields);
  const name = there.status >= 400 ? REFUSALS : call;
  return [...fields].map((field) => `${name}: ${field}`);
}

function compare(there: unknown, here: unknown, path: string, fields: Set<string>): void {
  if (Array.isArray(there) && Array.isArray(here)) {
    if (there.length !== here.length) fields.add(path === '' ? 'length' : `${path}.length`);
    for (const [i, value] of there.slice(0, here.length).entries()) {
      compare(value, here[i], path, fields);
    }
  } else if (isObject(there) && isObject(here)) {
    for (const name of new Set([...Object.keys(there), ...Object.keys(here)])) {
      compare(there[name], here[name], path === '' ? name : `${path}.${name}`, fields);
    }
  } else if (there !== here) {
    fields.add(path === '' ? 'body' : path);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads the table below a heading of docs/coming-from.md. Its first two columns are the call and, with commas between
 * them, the fields.
 * @throws Error when the heading has no table, or a row gives no reason.
 */
export function toldDifferences(heading: string): Difference[] {
  const text = readFileSync(join(ROOT, 'docs/coming-from.md'), 'utf8');
  const [, section = ''] = text.split(new RegExp(`^#+ ${heading}$`, 'm'));
  const [, table = ''] = /^(\|.*(?:\n\|.*)*)/m.exec(section) ?? [];
  const rows = table.split('\n').slice(2).map(cells);
  if (rows.length === 0) throw new Error(`docs/coming-from.md has no table below '${heading}'`);
  return rows.flatMap(([call = '', fields = '', there = '', here = '', why = '']) => {
    if ([call, fields, there, here, why].includes('')) throw new Error(`a cell is empty: ${call}`);
    return fields.split(', ').map((field) => `${call}: ${field}`);
  });
}

/** Splits a row at the bars that no backslash stands before. */
function cells(row: string): string[] {
  return row
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('`', ''));
}
