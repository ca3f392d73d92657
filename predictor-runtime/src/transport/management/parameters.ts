/** The parameters of a management call: of its query and, where the call takes one, of its body in JSON. */
import type { Request } from 'express';
import { invalid } from '../../protocol/errors.ts';
import { object } from '../../protocol/v2/json.ts';
import { readJson } from '../rest/text.ts';

/** Largest body of a call, in bytes: a body holds what a query could. */
const MAX_BODY_BYTES = 1 << 20;

/** The parameters of one call, by their names. */
export class Parameters {
  readonly #values: ReadonlyMap<string, string>;

  /** Takes the values as they are written. */
  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  /** Names of the parameters that were given. */
  get names(): string[] {
    return [...this.#values.keys()];
  }

  /** Returns a parameter as it is written; undefined when it is absent. */
  text(name: string): string | undefined {
    return this.#values.get(name);
  }

  /**
   * Returns a parameter as a number of at least 0; undefined when it is absent.
   * @throws InferenceError INVALID_ARGUMENT.
   */
  wholeNumber(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,9}$/.test(value)) throw invalid(`${name}: expected a whole number, got '${value}'`);
    return Number(value);
  }

  /**
   * Returns a parameter as a number of at least 1; undefined when it is absent.
   * @throws InferenceError INVALID_ARGUMENT.
   */
  positiveNumber(name: string): number | undefined {
    const value = this.wholeNumber(name);
    if (value === 0) throw invalid(`${name}: expected at least 1, got 0`);
    return value;
  }

  /** True or false as the parameter says; undefined when it is absent. @throws InferenceError INVALID_ARGUMENT. */
  flag(name: string): boolean | undefined {
    const value = this.text(name)?.toLowerCase();
    if (value === undefined) return undefined;
    if (value !== 'true' && value !== 'false') {
      throw invalid(`${name}: expected true or false, got '${value}'`);
    }
    return value === 'true';
  }
}

/** Reads the parameters of a query. @throws InferenceError INVALID_ARGUMENT for one that is given twice. */
export function queryParameters(req: Request): Parameters {
  return new Parameters(queryValues(req));
}

/**
 * Reads the parameters of a query and of a body in JSON.
 * @throws InferenceError INVALID_ARGUMENT for one that is given twice, or a body that is no object of plain values.
 */
export async function allParameters(req: Request): Promise<Parameters> {
  const values = queryValues(req);
  if (req.is('application/json') === 'application/json') {
    const body = object((await readJson(req, { limit: MAX_BODY_BYTES })) ?? {}, 'body');
    for (const [name, value] of Object.entries(body)) {
      if (value === null) continue;
      if (typeof value === 'object')
        throw invalid(`${name}: expected a text, a number, true or false`);
      if (values.has(name)) throw invalid(`${name}: is given twice`);
      values.set(name, String(value));
    }
  }
  return new Parameters(values);
}

function queryValues(req: Request): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(req.query)) {
    if (typeof value !== 'string') throw invalid(`${name}: is given twice`);
    values.set(name, value);
  }
  return values;
}
