/**
 * Protobuf's text format, read by a schema into the shape of protobuf's JSON (protobuf.dev, "Text Format
 * Specification"). Field names stay as written.
 */
import {
  enumName,
  type FieldType,
  fieldOf,
  idleFault,
  type MessageType,
  type ScalarType,
  unknownField,
  unknownName,
  unsupported,
} from './proto-schema.ts';

type Json = Record<string, unknown>;

/** Parses a message. @throws SyntaxError with the line and what was expected there. */
export function parseTextProto(text: string, type: MessageType): Json {
  const parser = new Parser(text);
  const message = parser.message(type, '');
  parser.expect('');
  return message;
}

/** Forms of booleans. */
const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  True: true,
  t: true,
  1: true,
  false: false,
  False: false,
  f: false,
  0: false,
};

/** True for a field that may be given again. */
function isMany(type: FieldType): boolean {
  if (typeof type === 'string') return false;
  if ('idle' in type) return isMany(type.idle);
  return 'repeated' in type || 'map' in type;
}

const TOKEN = /\s+|#[^\n]*|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[-+.\w]+|[{}[\]:,;<>])/gy;

class Parser {
  readonly #tokens: { readonly text: string; readonly line: number }[] = [];
  #next = 0;

  constructor(text: string) {
    let line = 1;
    let end = 0;
    for (const match of text.matchAll(TOKEN)) {
      if (match[1] !== undefined) this.#tokens.push({ text: match[1], line });
      line += match[0].split('\n').length - 1;
      end = match.index + match[0].length;
    }
    this.#tokens.push({ text: '', line });
    if (end < text.length) throw new SyntaxError(`line ${line}: unexpected '${text[end]}'`);
  }

  /** Reads the fields up to a closing bracket or the end. */
  message(type: MessageType, path: string): Json {
    const result: Json = {};
    while (!['', '}', '>'].includes(this.#peek())) {
      const { line } = this.#token();
      const name = this.#take();
      const at = path === '' ? name : `${path}.${name}`;
      const field = fieldOf(type, name);
      if (field === undefined) throw this.#error(unknownField(at, type), line);
      if (typeof field !== 'string' && 'unsupported' in field) {
        throw this.#error(unsupported(at, field.unsupported), line);
      }
      if (Object.hasOwn(result, name) && !isMany(field)) {
        throw this.#error(`${at}: is given twice`, line);
      }
      this.#skip(':');
      if (this.#peek() === '[') {
        this.#take();
        if (this.#peek() === ']' && isMany(field)) result[name] ??= [];
        while (this.#peek() !== ']') {
          this.#add(result, name, this.#value(field, at));
          if (!this.#skip(',') && this.#peek() !== ']') throw this.#unexpected("',' or ']'");
        }
        this.#take();
      } else {
        this.#add(result, name, this.#value(field, at));
      }
      if (!this.#skip(',')) this.#skip(';');
    }
    return result;
  }

  expect(text: string): void {
    if (this.#peek() !== text) throw this.#unexpected(text === '' ? 'the end' : `'${text}'`);
    if (text !== '') this.#take();
  }

  /** Stores a value where its field wants it: in its array, its map, or alone. */
  #add(result: Json, name: string, { value, many }: { value: unknown; many?: 'array' | 'map' }) {
    if (many === 'array') {
      result[name] ??= [];
      (result[name] as unknown[]).push(value);
    } else if (many === 'map') {
      const { key, value: item } = value as Json;
      result[name] = { ...(result[name] as Json), [String(key)]: item };
    } else {
      result[name] = value;
    }
  }

  #value(type: FieldType, path: string): { value: unknown; many?: 'array' | 'map' } {
    if (typeof type === 'string') return { value: this.#scalar(type, path) };
    if ('enum' in type) return { value: this.#enumeration(type.enum, path) };
    if ('unsupported' in type) throw this.#unexpected('no value');
    if ('idle' in type) return this.#idle(type.idle, path);
    if ('repeated' in type) return { ...this.#value(type.repeated, path), many: 'array' };
    const close = this.#open();
    const fields = 'message' in type ? type.message : { key: 'any' as const, value: type.map };
    const value = this.message(fields, path);
    this.expect(close);
    return 'message' in type ? { value } : { value, many: 'map' };
  }

  /** Reads a value that must say nothing. */
  #idle(type: FieldType, path: string): { value: unknown; many?: 'array' | 'map' } {
    const { line } = this.#token();
    if (isMany(type) && ['{', '<'].includes(this.#peek())) {
      throw this.#error(unsupported(path, 'leave it out'), line);
    }
    const read = this.#value(type, path);
    const fault = idleFault(read.value, type, path);
    if (fault !== undefined) throw this.#error(fault, line);
    return read;
  }

  #open(): string {
    const text = this.#take();
    if (text === '{') return '}';
    if (text === '<') return '>';
    this.#next--;
    throw this.#unexpected("'{'");
  }

  #enumeration(names: readonly string[], path: string): string {
    const { line } = this.#token();
    const text = this.#take();
    const name = enumName(text, names);
    if (name !== undefined) return name;
    throw this.#error(unknownName(path, names, text || 'the end'), line);
  }

  #scalar(type: ScalarType, path: string): unknown {
    const { line } = this.#token();
    const text = this.#take();
    const quoted = /^["']/.test(text);
    const article = type === 'int' ? 'an' : 'a';
    const wrong = () => this.#error(`${path}: expected ${article} ${type}, got ${text}`, line);
    if (type === 'string' || (type === 'any' && quoted)) {
      if (!quoted) throw wrong();
      let value = unquote(text);
      while (/^["']/.test(this.#peek())) value += unquote(this.#take());
      return value;
    }
    if (quoted || /^[{}[\]:,;<>]?$/.test(text)) throw wrong();
    if (type === 'bool') {
      if (!Object.hasOwn(BOOLEANS, text)) throw wrong();
      return BOOLEANS[text];
    }
    const number = Number(text);
    if (Number.isNaN(number) || (type === 'int' && !Number.isInteger(number))) {
      if (type === 'any') return text;
      throw wrong();
    }
    return number;
  }

  #token(): { readonly text: string; readonly line: number } {
    return this.#tokens[Math.min(this.#next, this.#tokens.length - 1)] as {
      text: string;
      line: number;
    };
  }

  #peek(): string {
    return this.#token().text;
  }

  #take(): string {
    const { text } = this.#token();
    this.#next++;
    return text;
  }

  #skip(text: string): boolean {
    if (this.#peek() !== text) return false;
    this.#next++;
    return true;
  }

  #unexpected(expected: string): SyntaxError {
    const got = this.#peek() === '' ? 'the end' : this.#peek();
    return this.#error(`expected ${expected}, got ${got}`, this.#token().line);
  }

  #error(message: string, line: number): SyntaxError {
    return new SyntaxError(`line ${line}: ${message}`);
  }
}

const ESCAPES: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
};

function unquote(text: string): string {
  return text.slice(1, -1).replace(/\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)/g, (_, code: string) => {
    if (code.startsWith('x')) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
    return ESCAPES[code] ?? code;
  });
}
