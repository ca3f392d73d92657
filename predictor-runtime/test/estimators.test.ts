/** Estimators of scikit-learn that people save most, in several releases: answered as scikit-learn does. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { openSklearn } from '../src/formats/sklearn/sklearn.ts';
import type { Cell, Table } from '../src/formats/table.ts';

const folder = new URL('estimators/', import.meta.url);
const TOLERANCE = 1e-7;

interface Case {
  readonly name: string;
  readonly about: string;
  readonly file: string;
  readonly rows: readonly (readonly Cell[])[];
  readonly outputs: Readonly<Record<string, { shape: number[]; data: Cell[] }>>;
  readonly labels?: readonly string[];
  /** Message by which it is refused when it is loaded. */
  readonly refused?: string;
}

function tableOf(rows: Case['rows'], text: readonly number[] = []): Table {
  const cells = rows.flat();
  const width = rows[0]?.length ?? 0;
  const data =
    text.length > 0 || cells.some((cell) => typeof cell === 'string')
      ? cells
      : Float64Array.from(cells, (cell) => (cell === null ? Number.NaN : Number(cell)));
  return { rows: rows.length, width, data };
}

function isClose(actual: unknown, expected: Cell): boolean {
  if (Buffer.isBuffer(actual)) return actual.toString() === expected;
  const [got, wanted] = [Number(actual), expected === null ? Number.NaN : Number(expected)];
  return (
    Object.is(got, wanted) ||
    got === wanted ||
    Math.abs(got - wanted) <= TOLERANCE * (1e-3 + Math.abs(wanted))
  );
}

function check({ about, file, rows, outputs, labels, refused }: Case): void {
  if (refused !== undefined) {
    expect(() => openSklearn(Buffer.from(file, 'base64')), about).to.throw(refused);
    return;
  }
  const model = openSklearn(Buffer.from(file, 'base64'));
  const table = tableOf(rows, model.textColumns);
  const outputOf = (name: string) => {
    const output = model.outputs.find((one) => one.name === name);
    if (output === undefined) throw new Error(`${about}: no output ${name}`);
    return output;
  };
  for (const [name, wanted] of Object.entries(outputs)) {
    const { width, data } = outputOf(name).compute(table);
    const shape = width === undefined ? [table.rows] : [table.rows, width];
    expect(shape, `${name} of ${about}`).to.deep.equal(wanted.shape);
    const odd = wanted.data.findIndex((value, i) => !isClose(data[i], value));
    expect(odd, `${name}[${odd}] is ${data[odd]}, not ${wanted.data[odd]}, of ${about}`).to.equal(
      -1,
    );
  }
  if (labels !== undefined) {
    expect(Array.from(outputOf('predict').compute(table).data, String)).to.deep.equal(labels);
  }
}

/** The 60 classes that most documents import, as count.py counted them. */
const MOST_USED = Object.keys(
  JSON.parse(readFileSync(new URL('most-used.json', folder), 'utf8')).classes,
);

describe('estimators of scikit-learn', () => {
  it('are read, most of those that are used most, and others refused with the way out', () => {
    expect(MOST_USED).to.have.length(60);
    const text = readFileSync(new URL('1.9.jsonl', folder), 'utf8').trim();
    const cases: Case[] = text.split('\n').map((line) => JSON.parse(line));
    const isServed = ({ refused }: Case) => refused === undefined;
    const names = (some: Case[]) => new Set(some.map(({ name }) => name));
    const served = names(cases.filter(isServed));
    const refused = names(cases.filter((one) => !isServed(one)));
    expect(MOST_USED.filter((name) => served.has(name)).length).to.be.greaterThanOrEqual(55);
    expect(MOST_USED.filter((name) => !served.has(name) && !refused.has(name))).to.deep.equal([]);
  });

  for (const file of readdirSync(folder).filter((name) => name.endsWith('.jsonl'))) {
    const lines = readFileSync(new URL(file, folder), 'utf8').trim().split('\n');
    const cases: Case[] = lines.map((line) => JSON.parse(line));
    for (const name of new Set(cases.map((one) => one.name))) {
      it(`${name} of ${file.replace('.jsonl', '')} answers as it does there, or is refused`, () => {
        for (const one of cases.filter((other) => other.name === name)) check(one);
      });
    }
  }
});
