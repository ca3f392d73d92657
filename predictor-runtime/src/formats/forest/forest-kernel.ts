/**
 * The inner loop of tree evaluation as WebAssembly: rows go down a tree level by level, eight at once and without a branch
 * that depends on a value. A processor guesses such branches wrong half of the time, and waits for one row's loads while
 * those of the others are under way; JavaScript's checks of every index cost as much again.
 * Measured: docs/adr/0008-formats-read-here.md.
 */
import {
  branchIf,
  type Code,
  compile,
  get,
  i32,
  instantiate,
  loop,
  memory,
  op,
  set,
  Type,
  tee,
} from '../../platform/webassembly/assembly.ts';

/** Bytes of a node: threshold (f64), column's offset in a row (i32), address of the left child (i32). */
export const NODE_BYTES = 16;
export const COLUMN_AT = 8;
export const LEFT_AT = 12;

/** Rows that go down together. */
export const LANES = 8;

/** All in bytes. Rows from `row` to `end`, `stride` apart; their leaves' first words go to `out`. `depth` is above 0. */
export interface ForestKernel {
  descend(root: number, depth: number, row: number, stride: number, end: number, out: number): void;
}

/** Parameters, then locals. */
const Local = { root: 0, depth: 1, row: 2, stride: 3, end: 4, out: 5, level: 6, first: 7 } as const;
const PARAMETERS = Local.level;
const node = (lane: number) => Local.first + lane;
const base = (lane: number) => Local.first + LANES + lane;
const lanes = (of: (lane: number) => Code) =>
  Array.from({ length: LANES }, (_, lane) => of(lane)).flat();

/** In a memory that nodes, rows and leaves share. */
export function forestKernel(memory: WebAssembly.Memory): ForestKernel {
  cached ??= compile([
    {
      name: 'descend',
      parameters: new Array(PARAMETERS).fill(Type.i32),
      locals: new Array(1 + 2 * LANES).fill(Type.i32),
      code: descend(),
    },
  ]);
  return instantiate<ForestKernel>(cached, memory);
}

let cached: ReturnType<typeof compile> | undefined;

/** For each group of rows: start all at the root, take `depth` steps, store where they are. */
function descend(): Code {
  const add = (local: number, value: Code) => set(local, op('i32.add', get(local), value));
  const step = (lane: number): Code => {
    const word = (offset: number) => memory('i32.load', { address: get(node(lane)), offset });
    const left = word(LEFT_AT);
    const column = op('i32.add', get(base(lane)), word(COLUMN_AT));
    const value = memory('f64.load', { address: column });
    const goesRight = op('f64.ge', value, memory('f64.load', { address: get(node(lane)) }));
    const toRight = op('i32.shl', goesRight, i32(Math.log2(NODE_BYTES)));
    return set(node(lane), op('i32.add', left, toRight));
  };
  return loop(
    lanes((lane) => set(node(lane), get(Local.root))),
    // Each lane's row; past the last, `row` is where the next group begins.
    lanes((lane) => [...set(base(lane), get(Local.row)), ...add(Local.row, get(Local.stride))]),
    set(Local.level, get(Local.depth)),
    loop(lanes(step), branchIf(0, tee(Local.level, op('i32.sub', get(Local.level), i32(1))))),
    lanes((lane) => {
      const leaf = memory('i32.load', { address: get(node(lane)) });
      return memory('i32.store', { address: get(Local.out), offset: 4 * lane, value: leaf });
    }),
    add(Local.out, i32(4 * LANES)),
    branchIf(0, op('i32.lt_u', get(Local.row), get(Local.end))),
  );
}
