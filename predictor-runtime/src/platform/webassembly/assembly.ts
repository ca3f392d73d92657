/// <reference path="./webassembly.d.ts" />
/**
 * WebAssembly modules put together here, for the two inner loops that JavaScript is too slow for: instructions are
 * arrays of bytes, and what nests in the text format nests in calls. Source: WebAssembly Core 2.0, binary format.
 */

/** Binary format, 5.4. */
const Op = {
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  branch: 0x0c,
  branchIf: 0x0d,
  call: 0x10,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  constI32: 0x41,
  constI64: 0x42,
} as const;

/** Instructions that take their operands from the stack and have no immediate. */
const PLAIN = {
  'i32.eqz': 0x45,
  'i32.eq': 0x46,
  'i32.ne': 0x47,
  'i32.lt_u': 0x49,
  'i32.gt_u': 0x4b,
  'i32.le_u': 0x4d,
  'i32.add': 0x6a,
  'i32.sub': 0x6b,
  'i32.mul': 0x6c,
  'i32.or': 0x72,
  'i32.shl': 0x74,
  'i64.eq': 0x51,
  'i64.lt_u': 0x54,
  'i64.le_u': 0x58,
  'i64.clz': 0x79,
  'i64.add': 0x7c,
  'i64.sub': 0x7d,
  'i64.mul': 0x7e,
  'i64.and': 0x83,
  'i64.or': 0x84,
  'i64.shl': 0x86,
  'i64.shr_u': 0x88,
  'f64.ge': 0x66,
  'f64.neg': 0x9a,
  'f64.div': 0xa3,
  'i64.extend_i32_u': 0xad,
  'f64.convert_i64_u': 0xba,
  'f64.reinterpret_i64': 0xbf,
} as const;

/** Instructions of memory: opcode, and the power of two that addresses are aligned to. */
const MEMORY = {
  'i32.load': [0x28, 2],
  'i64.load': [0x29, 3],
  'f64.load': [0x2b, 3],
  'i32.load8_u': [0x2d, 0],
  'i32.store': [0x36, 2],
  'f64.store': [0x39, 3],
} as const;

export const Type = { i32: 0x7f, i64: 0x7e, f64: 0x7c } as const;
export type ValueType = (typeof Type)[keyof typeof Type];
const NOTHING = 0x40;
const FUNCTION = 0x60;

export type Code = readonly number[];

/** An instruction after its operands. */
export function op(name: keyof typeof PLAIN, ...operands: readonly Code[]): Code {
  return [...operands.flat(), PLAIN[name]];
}

/** Loads from `address + offset`, or stores `value` there. */
export function memory(
  name: keyof typeof MEMORY,
  { address, offset = 0, value = [] }: { address: Code; offset?: number; value?: Code },
): Code {
  const [opcode, alignment] = MEMORY[name];
  return [...address, ...value, opcode, alignment, ...unsigned(offset)];
}

export const get = (local: number): Code => [Op.localGet, local];
export const set = (local: number, value: Code): Code => [...value, Op.localSet, local];
/** Sets, and leaves the value on the stack. */
export const tee = (local: number, value: Code): Code => [...value, Op.localTee, local];
export const i32 = (value: number): Code => [Op.constI32, ...signed(BigInt(value))];
export const i64 = (value: bigint): Code => [Op.constI64, ...signed(BigInt.asIntN(64, value))];
export const call = (index: number, ...operands: readonly Code[]): Code => [
  ...operands.flat(),
  Op.call,
  index,
];

/** Leaves the block that is `depth` out, or begins the loop again. */
export const branch = (depth: number): Code => [Op.branch, depth];
export const branchIf = (depth: number, condition: Code): Code => [
  ...condition,
  Op.branchIf,
  depth,
];
export const block = (...body: readonly Code[]): Code => [
  Op.block,
  NOTHING,
  ...body.flat(),
  Op.end,
];
export const loop = (...body: readonly Code[]): Code => [Op.loop, NOTHING, ...body.flat(), Op.end];

export function when(condition: Code, then: Code, otherwise: Code = []): Code {
  const rest = otherwise.length > 0 ? [Op.else, ...otherwise] : [];
  return [...condition, Op.if, NOTHING, ...then, ...rest, Op.end];
}

export interface WasmFunction {
  /** As JavaScript calls it. */
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly result?: ValueType;
  /** They are numbered on from the parameters. */
  readonly locals: readonly ValueType[];
  readonly code: Code;
}

/** A module of these functions, numbered in order, which work in the memory that `instantiate` gives them. */
export function compile(functions: readonly WasmFunction[]): WebAssembly.Module {
  const types = functions.map(({ parameters, result }) => [
    ...[FUNCTION, ...vector(parameters)],
    ...vector(result === undefined ? [] : [result]),
  ]);
  const bodies = functions.map(({ locals, code }) =>
    sized([...unsigned(locals.length), ...locals.flatMap((type) => [1, type]), ...code, Op.end]),
  );
  const bytes = [
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(Section.type, types),
    ...section(Section.import, [
      [...text('host'), ...text('memory'), 0x02, SHARED, 1, ...unsigned(MAX_PAGES)],
    ]),
    ...section(
      Section.function,
      functions.map((_, i) => [i]),
    ),
    ...section(
      Section.export,
      functions.map(({ name }, i) => [...text(name), 0x00, i]),
    ),
    ...section(Section.code, bodies),
  ];
  return new WebAssembly.Module(Uint8Array.from(bytes));
}

/** Memory of at least so many bytes, which threads can share. */
export function sharedMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

export function instantiate<Exports>(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Exports {
  return new WebAssembly.Instance(module, { host: { memory } }).exports as Exports;
}

const PAGE_BYTES = 65_536;
const MAX_PAGES = 65_536;
/** Limits of a memory that is shared, with a maximum (threads proposal). */
const SHARED = 0x03;
const Section = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;

function section(id: number, items: readonly Code[]): number[] {
  return [id, ...sized([...unsigned(items.length), ...items.flat()])];
}

function sized(content: Code): number[] {
  return [...unsigned(content.length), ...content];
}

function vector(items: readonly number[]): number[] {
  return [...unsigned(items.length), ...items];
}

function text(value: string): number[] {
  return vector([...Buffer.from(value)]);
}

/** LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: bigint): number[] {
  if (value >= -0x40n && value < 0x40n) return [Number(value & 0x7fn)];
  return [Number(value & 0x7fn) | 0x80, ...signed(value >> 7n)];
}
