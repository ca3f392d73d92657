/**
 * Reads Python's pickle format, protocols 0 to 5 (Lib/pickletools.py), without running anything: what the file would
 * call becomes an object that says so. A class or function that the reader does not allow ends the reading.
 */

import { UnsupportedModelError } from '../unsupported.ts';
import {
  narrowInteger,
  parseInteger,
  readLittleEndian,
  unescapeQuoted,
  unescapeUnicode,
} from './pickle-literals.ts';
import type { PickleStream } from './pickle-stream.ts';

/** A value of a pickle. Lists and tuples are arrays, and `object` is also whatever a reader's `build` makes. */
export type PickleValue = null | boolean | number | bigint | string | object;

/** A dict of Python, whose items keep their order. */
export class PickleDict extends Map<PickleValue, PickleValue> {}
/** A set of Python. */
export class PickleSet extends Set<PickleValue> {}

/** A class or function, of which there is nothing but its name. */
export class PickleGlobal {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * The object that Python would have made by calling `type` with `args`, and the state that it would have been given.
 */
export class PickleObject {
  readonly type: string;
  readonly args: readonly PickleValue[];
  state: PickleValue = null;
  /** Elements that were appended, and pairs that were set by key. Subclasses of list and dict have them. */
  readonly items: PickleValue[] = [];

  constructor(type: string, args: readonly PickleValue[]) {
    this.type = type;
    this.args = args;
  }
}

/** Says which classes a pickle may name, and what becomes of their objects. */
export interface PickleReader {
  /** True when the file may name a class or function, which is `module.name`. */
  allows(name: string): boolean;
  /**
   * Returns the value that an object becomes, or the object itself. It is called when the object is made, and again
   * when it has its state. It may read data that follow in the stream.
   */
  build(object: PickleObject, stream: PickleStream): PickleValue;
}

/**
 * Reads a pickle's value.
 * @throws Error that names what the reader does not allow, or tells where the file is broken.
 */
export function readPickle(stream: PickleStream, reader: PickleReader): PickleValue {
  return new Machine(stream, reader).run();
}

/** Mark on the stack, down to which some opcodes take items. */
const MARK = Symbol('mark');

type StackItem = PickleValue | typeof MARK;

/** The stack machine that a pickle is a program for. */
class Machine {
  readonly #stream: PickleStream;
  readonly #reader: PickleReader;
  readonly #stack: StackItem[] = [];
  readonly #memo: PickleValue[] = [];

  constructor(stream: PickleStream, reader: PickleReader) {
    this.#stream = stream;
    this.#reader = reader;
  }

  /** Runs the program to its end, and returns its value. */
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

  /** Returns the value on top, and leaves it there. */
  top(): PickleValue {
    const value = this.pop();
    this.#stack.push(value);
    return value;
  }

  /** Takes the values above the last mark, and the mark. */
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

  /** Keeps the value on top in the memo. */
  memoize(index = this.#memo.length): void {
    this.#memo[index] = this.top();
  }

  /** Pushes a value of the memo. */
  recall(index: number): void {
    const value = this.#memo[index];
    if (value === undefined) throw new Error(`broken at ${this.#stream.at}: no memo ${index}`);
    this.#stack.push(value);
  }

  /** Pushes a class or function. @throws UnsupportedModelError when the reader does not allow it. */
  global(module: string, name: string): void {
    const full = `${module}.${name}`;
    if (!this.#reader.allows(full))
      throw new UnsupportedModelError('sklearn', `it names ${full}, which is not read here`);
    this.#stack.push(new PickleGlobal(full));
  }

  /** Pushes what calling a class or function makes. */
  call(type: PickleValue, args: PickleValue): void {
    if (!(type instanceof PickleGlobal) || !Array.isArray(args)) {
      throw new Error(`it calls what is no class, at ${this.#stream.at}`);
    }
    // copyreg makes an object without its constructor: the class is the first argument.
    // What it holds as a tuple, such as a named one, is what later protocols give it as arguments.
    const [first, base, content] = args as PickleValue[];
    const isRaw = type.name.endsWith('._reconstructor') && first instanceof PickleGlobal;
    const isTuple = base instanceof PickleGlobal && base.name.endsWith('.tuple');
    const own = isTuple && Array.isArray(content) ? content : [];
    const object = isRaw ? new PickleObject(first.name, own) : new PickleObject(type.name, args);
    this.#stack.push(this.#reader.build(object, this.#stream));
  }

  /**
   * Gives the object on top its state. What becomes of the object then takes its place on the stack and in the memo.
   */
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

  /** Sets keys and values, in turn, of the dict on top. */
  setItems(pairs: readonly PickleValue[]): void {
    const target = this.top();
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      const [key, value] = [pairs[i] as PickleValue, pairs[i + 1] as PickleValue];
      if (target instanceof PickleDict) target.set(key, value);
      else if (target instanceof PickleObject) target.items.push([key, value]);
      else throw new Error(`items for what is no dict, at ${this.#stream.at}`);
    }
  }

  /** Appends elements to the list or set on top. */
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

/** Makes an opcode that pushes a constant. */
const pushConstant =
  (value: PickleValue): Operation =>
  (machine) =>
    machine.push(value);
/** Makes an opcode that pushes the value that `read` reads. */
const pushRead =
  (read: (stream: PickleStream) => PickleValue): Operation =>
  (machine, stream) =>
    machine.push(read(stream));
/** Makes an opcode that makes a tuple of the values on top. */
const pushTuple =
  (size: number): Operation =>
  (machine) => {
    const values = Array.from({ length: size }, () => machine.pop());
    machine.push(values.reverse());
  };

/**
 * The operation of each opcode (pickletools.opcodes). Persistent ids, extensions and out-of-band buffers are not read.
 */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  '\x80': (_machine, stream) => void stream.uint8(),
  '\x95': (_machine, stream) => void stream.length8(),
  '(': (machine) => machine.mark(),
  '0': (machine) => machine.drop(),
  '1': (machine) => void machine.popMark(),
  '2': (machine) => machine.push(machine.top()),
  N: pushConstant(null),
  '\x88': pushConstant(true),
  '\x89': pushConstant(false),
  I: pushRead((stream) => parseInteger(stream.line())),
  L: pushRead((stream) => narrowInteger(BigInt(stream.line().replace(/L$/, '')))),
  J: pushRead((stream) => stream.int32()),
  K: pushRead((stream) => stream.uint8()),
  M: pushRead((stream) => stream.uint16()),
  '\x8a': pushRead((stream) => narrowInteger(readLittleEndian(stream.bytes(stream.uint8())))),
  '\x8b': pushRead((stream) => narrowInteger(readLittleEndian(stream.bytes(stream.uint32())))),
  F: pushRead((stream) => Number(stream.line())),
  G: pushRead((stream) => stream.float64()),
  S: pushRead((stream) => unescapeQuoted(stream.line())),
  T: pushRead((stream) => stream.bytes(stream.uint32()).toString('latin1')),
  U: pushRead((stream) => stream.bytes(stream.uint8()).toString('latin1')),
  V: pushRead((stream) => unescapeUnicode(stream.line())),
  X: pushRead((stream) => stream.text(stream.uint32())),
  '\x8c': pushRead((stream) => stream.text(stream.uint8())),
  '\x8d': pushRead((stream) => stream.text(stream.length8())),
  B: pushRead((stream) => stream.bytes(stream.uint32())),
  C: pushRead((stream) => stream.bytes(stream.uint8())),
  '\x8e': pushRead((stream) => stream.bytes(stream.length8())),
  '\x96': pushRead((stream) => stream.bytes(stream.length8())),
  ']': (machine) => machine.push([]),
  l: (machine) => machine.push(machine.popMark()),
  a: (machine) => machine.append([machine.pop()]),
  e: (machine) => machine.append(machine.popMark()),
  ')': (machine) => machine.push([]),
  t: (machine) => machine.push(machine.popMark()),
  '\x85': pushTuple(1),
  '\x86': pushTuple(2),
  '\x87': pushTuple(3),
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
