/// <reference path="./webassembly.d.ts" />
/**
 * The inner loop of tree evaluation as WebAssembly, assembled here: rows go down a tree level by level, eight at once and
 * without a branch that depends on a value. A processor guesses such branches wrong half of the time, and waits for one
 * row's loads while those of the others are under way; JavaScript's checks of every index cost as much again.
 * Measured: docs/adr/0008-formats-read-here.md.
 */

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

/** Opcodes of WebAssembly 1.0, binary format, 5.4. */
const Op = {
  loop: 0x03,
  end: 0x0b,
  branchIf: 0x0d,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  loadI32: 0x28,
  loadF64: 0x2b,
  storeI32: 0x36,
  constI32: 0x41,
  lessU32: 0x49,
  greaterEqualF64: 0x66,
  addI32: 0x6a,
  subtractI32: 0x6b,
  shiftLeftI32: 0x74,
} as const;
const Type = { i32: 0x7f, none: 0x40, function: 0x60 } as const;
const Section = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;

/** Parameters, then locals. */
const Local = { root: 0, depth: 1, row: 2, stride: 3, end: 4, out: 5, level: 6, first: 7 } as const;
const PARAMETERS = Local.level;
const node = (lane: number) => Local.first + lane;
const base = (lane: number) => Local.first + LANES + lane;

const get = (local: number) => [Op.localGet, local];
const set = (local: number) => [Op.localSet, local];
const constant = (value: number) => [Op.constI32, ...signed(value)];
const load = (op: number, align: number, offset: number) => [op, align, offset];
const lanes = (of: (lane: number) => number[]) =>
  Array.from({ length: LANES }, (_, lane) => of(lane)).flat();

/** With memory for at least so many bytes, which nodes, rows and leaves share. */
export function forestKernel(bytes: number): { kernel: ForestKernel; memory: ArrayBuffer } {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE_BYTES) });
  const { exports } = new WebAssembly.Instance(compiled(), { forest: { memory } });
  return { kernel: exports as unknown as ForestKernel, memory: memory.buffer };
}

const PAGE_BYTES = 65_536;

let cached: WebAssembly.Module | undefined;

function compiled(): WebAssembly.Module {
  cached ??= new WebAssembly.Module(Uint8Array.from(assemble()));
  return cached;
}

function assemble(): number[] {
  const parameters = new Array(PARAMETERS).fill(Type.i32);
  return [
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(Section.type, [1, Type.function, ...vector(parameters), 0]),
    ...section(Section.import, [1, ...name('forest'), ...name('memory'), 0x02, 0x00, 1]),
    ...section(Section.function, [1, 0]),
    ...section(Section.export, [1, ...name('descend'), 0x00, 0]),
    ...section(Section.code, [1, ...sized([1, 1 + 2 * LANES, Type.i32, ...body(), Op.end])]),
  ];
}

/** For each group of rows: start all at the root, take `depth` steps, store where they are. */
function body(): number[] {
  const step = (lane: number) => [
    ...[...get(node(lane)), ...load(Op.loadI32, 2, LEFT_AT)],
    ...[...get(base(lane)), ...get(node(lane)), ...load(Op.loadI32, 2, COLUMN_AT), Op.addI32],
    ...load(Op.loadF64, 3, 0),
    ...[...get(node(lane)), ...load(Op.loadF64, 3, 0), Op.greaterEqualF64],
    ...[...constant(Math.log2(NODE_BYTES)), Op.shiftLeftI32, Op.addI32, ...set(node(lane))],
  ];
  return [
    ...[Op.loop, Type.none],
    ...lanes((lane) => [...get(Local.root), ...set(node(lane))]),
    // Each lane's row; past the last, `row` is where the next group begins.
    ...lanes((lane) => [
      ...[...get(Local.row), ...set(base(lane))],
      ...[...get(Local.row), ...get(Local.stride), Op.addI32, ...set(Local.row)],
    ]),
    ...[...get(Local.depth), ...set(Local.level)],
    ...[Op.loop, Type.none],
    ...lanes(step),
    ...[...get(Local.level), ...constant(1), Op.subtractI32, Op.localTee, Local.level],
    ...[Op.branchIf, 0, Op.end],
    ...lanes((lane) => [
      ...[...get(Local.out), ...get(node(lane)), ...load(Op.loadI32, 2, 0)],
      ...[Op.storeI32, 2, 4 * lane],
    ]),
    ...[...get(Local.out), ...constant(4 * LANES), Op.addI32, ...set(Local.out)],
    ...[...get(Local.row), ...get(Local.end), Op.lessU32, Op.branchIf, 0, Op.end],
  ];
}

function section(id: number, content: number[]): number[] {
  return [id, ...sized(content)];
}

function sized(content: number[]): number[] {
  return [...unsigned(content.length), ...content];
}

function vector(items: readonly number[]): number[] {
  return [...unsigned(items.length), ...items];
}

function name(text: string): number[] {
  return vector([...Buffer.from(text)]);
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  if (value >= -0x40 && value < 0x40) return [value & 0x7f];
  return [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}
