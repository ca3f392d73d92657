/**
 * Python's pickle format, protocols 0 to 5 (Lib/pickletools.py), read without running anything: what the file would call
 * becomes a value that says so. A class or function that is not on the reader's list ends the reading.
 */

import { UnsupportedModelError } from '../unsupported.ts';
import type { PickleStream } from './pickle-stream.ts';

/** `object` is what a reader's `build` makes. */
export type PickleValue = null | boolean | number | bigint | string | object;

/** A dict, in order. */
export class PickleDict extends Map<PickleValue, PickleValue> {}
export class PickleSet extends Set<PickleValue> {}

/** A class or function, by its name alone. */
export class PickleGlobal {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** What calling `type` with `args` would have made, and the state it would have been given. */
export class PickleObject {
  readonly type: string;
  readonly args: readonly PickleValue[];
  state: PickleValue = null;
  /** What was appended, or set by key: subclasses of list and dict. */
  readonly items: PickleValue[] = [];

  constructor(type: string, args: readonly PickleValue[]) {
    this.type = type;
    this.args = args;
  }
}

export interface PickleReader {
  /** True when the file may name this class or function, `module.name`. */
  allows(name: string): boolean;
  /** What an object becomes once it is made and has its state; itself, if nothing better. Reads on, where data follow. */
  build(object: PickleObject, stream: PickleStream): PickleValue;
}

/** @throws Error with what the file names that the reader does not allow, or where it is broken. */
export function readPickle(stream: PickleStream, reader: PickleReader): PickleValue {
  return new Machine(stream, reader).run();
}

const MARK = Symbol('mark');

type StackItem = PickleValue | typeof MARK;

class Machine {
  readonly #stream: PickleStream;
  readonly #reader: PickleReader;
  readonly #stack: StackItem[] = [];
  readonly #memo: PickleValue[] = [];

  constructor(stream: PickleStream, reader: PickleReader) {
    this.#stream = stream;
    this.#reader = reader;
  }

  run(): PickleValue {
    for (;;) {
      const at = this.#stream.at;
      const code = String.fromCharCode(this.#stream.uint8());
      if (code === '.') return this.pop();
      const operation = OPERATIONS[code];
      if (operation === undefined) {
        throw new Error(`unknown opcode ${JSON.stringify(code)} at ${at}: it is no pickle`);
      }
      operation(this, this.#stream);
    }
  }

  push(value: StackItem): void {
    this.#stack.push(value);
  }

  pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined || value === MARK) throw new Error(`broken at ${this.#stream.at}`);
    return value;
  }

  top(): PickleValue {
    const value = this.pop();
    this.#stack.push(value);
    return value;
  }

  /** Down to the last mark, which goes, too. */
  popMark(): PickleValue[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) throw new Error(`broken at ${this.#stream.at}: a mark is missing`);
    const values = this.#stack.splice(at);
    return values.slice(1) as PickleValue[];
  }

  drop(): void {
    this.#stack.pop();
  }

  mark(): void {
    this.#stack.push(MARK);
  }

  memoize(index = this.#memo.length): void {
    this.#memo[index] = this.top();
  }

  recall(index: number): void {
    const value = this.#memo[index];
    if (value === undefined) throw new Error(`broken at ${this.#stream.at}: no memo ${index}`);
    this.#stack.push(value);
  }

  global(module: string, name: string): void {
    const full = `${module}.${name}`;
    if (!this.#reader.allows(full))
      throw new UnsupportedModelError('sklearn', `it names ${full}, which is not read here`);
    this.#stack.push(new PickleGlobal(full));
  }

  call(type: PickleValue, args: PickleValue): void {
    if (!(type instanceof PickleGlobal) || !Array.isArray(args)) {
      throw new Error(`it calls what is no class, at ${this.#stream.at}`);
    }
    // copyreg makes an object without its constructor: the class is the first argument.
    const [first] = args as PickleValue[];
    const isRaw = type.name.endsWith('._reconstructor') && first instanceof PickleGlobal;
    const object = isRaw ? new PickleObject(first.name, []) : new PickleObject(type.name, args);
    this.#stack.push(this.#reader.build(object, this.#stream));
  }

  /** Gives the object on top its state. Until then it may have been stored elsewhere: those see the same object. */
  build(): void {
    const state = this.pop();
    const object = this.top();
    if (!(object instanceof PickleObject))
      throw new Error(`state for what has none, at ${this.#stream.at}`);
    object.state = state;
    const built = this.#reader.build(object, this.#stream);
    if (built === object) return;
    this.#stack[this.#stack.length - 1] = built;
    const index = this.#memo.lastIndexOf(object);
    if (index >= 0) this.#memo[index] = built;
  }

  setItems(pairs: readonly PickleValue[]): void {
    const target = this.top();
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      const [key, value] = [pairs[i] as PickleValue, pairs[i + 1] as PickleValue];
      if (target instanceof PickleDict) target.set(key, value);
      else if (target instanceof PickleObject) target.items.push([key, value]);
      else throw new Error(`items for what is no dict, at ${this.#stream.at}`);
    }
  }

  append(values: readonly PickleValue[]): void {
    const target = this.top();
    for (const value of values) {
      if (Array.isArray(target)) target.push(value);
      else if (target instanceof PickleSet) target.add(value);
      else if (target instanceof PickleObject) target.items.push(value);
      else throw new Error(`elements for what is no list, at ${this.#stream.at}`);
    }
  }
}

type Operation = (machine: Machine, stream: PickleStream) => void;

const constant =
  (value: PickleValue): Operation =>
  (machine) =>
    machine.push(value);
const read =
  (from: (stream: PickleStream) => PickleValue): Operation =>
  (machine, stream) =>
    machine.push(from(stream));
const tuple =
  (size: number): Operation =>
  (machine) => {
    const values = Array.from({ length: size }, () => machine.pop());
    machine.push(values.reverse());
  };

/** Opcode → what it does (pickletools.opcodes). Persistent ids, extensions and out-of-band buffers are not among them. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  '\x80': (_machine, stream) => void stream.uint8(),
  '\x95': (_machine, stream) => void stream.length8(),
  '(': (machine) => machine.mark(),
  '0': (machine) => machine.drop(),
  '1': (machine) => void machine.popMark(),
  '2': (machine) => machine.push(machine.top()),
  N: constant(null),
  '\x88': constant(true),
  '\x89': constant(false),
  I: read((stream) => integerText(stream.line())),
  L: read((stream) => integer(BigInt(stream.line().replace(/L$/, '')))),
  J: read((stream) => stream.int32()),
  K: read((stream) => stream.uint8()),
  M: read((stream) => stream.uint16()),
  '\x8a': read((stream) => integer(littleEndian(stream.bytes(stream.uint8())))),
  '\x8b': read((stream) => integer(littleEndian(stream.bytes(stream.uint32())))),
  F: read((stream) => Number(stream.line())),
  G: read((stream) => stream.float64()),
  S: read((stream) => unquote(stream.line())),
  T: read((stream) => stream.bytes(stream.uint32()).toString('latin1')),
  U: read((stream) => stream.bytes(stream.uint8()).toString('latin1')),
  V: read((stream) => unescapeRaw(stream.line())),
  X: read((stream) => stream.text(stream.uint32())),
  '\x8c': read((stream) => stream.text(stream.uint8())),
  '\x8d': read((stream) => stream.text(stream.length8())),
  B: read((stream) => stream.bytes(stream.uint32())),
  C: read((stream) => stream.bytes(stream.uint8())),
  '\x8e': read((stream) => stream.bytes(stream.length8())),
  '\x96': read((stream) => stream.bytes(stream.length8())),
  ']': (machine) => machine.push([]),
  l: (machine) => machine.push(machine.popMark()),
  a: (machine) => machine.append([machine.pop()]),
  e: (machine) => machine.append(machine.popMark()),
  ')': (machine) => machine.push([]),
  t: (machine) => machine.push(machine.popMark()),
  '\x85': tuple(1),
  '\x86': tuple(2),
  '\x87': tuple(3),
  '}': (machine) => machine.push(new PickleDict()),
  d: (machine) => {
    const pairs = machine.popMark();
    machine.push(new PickleDict());
    machine.setItems(pairs);
  },
  s: (machine) => {
    const value = machine.pop();
    machine.setItems([machine.pop(), value]);
  },
  u: (machine) => machine.setItems(machine.popMark()),
  '\x8f': (machine) => machine.push(new PickleSet()),
  '\x90': (machine) => machine.append(machine.popMark()),
  '\x91': (machine) => machine.push(new PickleSet(machine.popMark())),
  g: (machine, stream) => machine.recall(Number(stream.line())),
  h: (machine, stream) => machine.recall(stream.uint8()),
  j: (machine, stream) => machine.recall(stream.uint32()),
  p: (machine, stream) => machine.memoize(Number(stream.line())),
  q: (machine, stream) => machine.memoize(stream.uint8()),
  r: (machine, stream) => machine.memoize(stream.uint32()),
  '\x94': (machine) => machine.memoize(),
  c: (machine, stream) => machine.global(stream.line(), stream.line()),
  '\x93': (machine) => {
    const name = machine.pop();
    machine.global(String(machine.pop()), String(name));
  },
  R: (machine) => {
    const args = machine.pop();
    machine.call(machine.pop(), args);
  },
  '\x81': (machine) => {
    const args = machine.pop();
    machine.call(machine.pop(), args);
  },
  '\x92': (machine) => {
    machine.pop();
    const args = machine.pop();
    machine.call(machine.pop(), args);
  },
  o: (machine) => {
    const [type = null, ...args] = machine.popMark();
    machine.call(type, args);
  },
  i: (machine, stream) => {
    const args = machine.popMark();
    machine.global(stream.line(), stream.line());
    machine.call(machine.pop(), args);
  },
  b: (machine) => machine.build(),
};

/** Protocol 0 writes booleans as 00 and 01. */
function integerText(text: string): boolean | number | bigint {
  return text === '00' || text === '01' ? text === '01' : integer(BigInt(text));
}

function integer(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function littleEndian(bytes: Buffer): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  return BigInt.asIntN(bytes.length * 8, value);
}

function unquote(text: string): string {
  return unescapeRaw(text.slice(1, -1)).replaceAll(
    /\\(x[0-9a-f]{2}|[\\'"nrt])/g,
    (_, code: string) =>
      code.startsWith('x')
        ? String.fromCharCode(Number.parseInt(code.slice(1), 16))
        : (ESCAPES[code] ?? code),
  );
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

function unescapeRaw(text: string): string {
  return text.replaceAll(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short, long) =>
    String.fromCodePoint(Number.parseInt(short ?? long, 16)),
  );
}
