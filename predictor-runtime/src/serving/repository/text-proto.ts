/**
 * Protobuf's text format, read by a schema into the shape of protobuf's JSON (protobuf.dev, "Text Format
 * Specification"). Field names stay as written.
 */

/** Type of a field: a scalar, a message by its fields, a map to a message or scalar, or a repeated one of these. */
export type FieldType =
  | 'string'
  | 'int'
  | 'float'
  | 'bool'
  | 'enum'
  | 'any'
  | { readonly message: MessageType }
  | { readonly repeated: FieldType }
  | { readonly map: FieldType };

/** Fields of a message by their names. */
export type MessageType = Readonly<Record<string, FieldType>>;
type Json = Record<string, unknown>;

/** Parses a message. @throws SyntaxError with the line and what was expected there. */
export function parseTextProto(text: string, type: MessageType): Json {
  const parser = new Parser(text);
  const message = parser.message(type, '');
  parser.expect('');
  return message;
}

/**
 * Checks that an object of JSON fits a message's schema, and returns it.
 * @throws SyntaxError with the path of the field.
 */
export function checkMessage(value: unknown, type: MessageType, path = ''): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SyntaxError(`${path || 'config'}: expected an object`);
  }
  for (const [name, item] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`;
    const field = type[name];
    if (field === undefined) throw unknownField(at, type);
    checkValue(item, field, at);
  }
  return value as Json;
}

function checkValue(value: unknown, type: FieldType, path: string): void {
  if (typeof type === 'string') {
    const expected = {
      string: 'string',
      int: 'number',
      float: 'number',
      bool: 'boolean',
      enum: 'string',
    };
    if (type !== 'any' && typeof value !== expected[type]) {
      throw new SyntaxError(`${path}: expected a ${expected[type]}, got ${JSON.stringify(value)}`);
    }
  } else if ('message' in type) {
    checkMessage(value, type.message, path);
  } else if ('repeated' in type) {
    if (!Array.isArray(value)) throw new SyntaxError(`${path}: expected an array`);
    for (const [i, item] of value.entries()) checkValue(item, type.repeated, `${path}[${i}]`);
  } else {
    checkMessage(value, new Proxy({}, { get: () => type.map }), path);
  }
}

function unknownField(path: string, type: MessageType): SyntaxError {
  return new SyntaxError(`${path}: unknown field, expected one of ${Object.keys(type).join(', ')}`);
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
      const field = type[name];
      if (field === undefined) throw this.#error(unknownField(at, type).message, line);
      this.#skip(':');
      if (this.#peek() === '[') {
        this.#take();
        if (this.#peek() === ']' && typeof field !== 'string' && 'repeated' in field) {
          result[name] ??= [];
        }
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
    if ('repeated' in type) return { ...this.#value(type.repeated, path), many: 'array' };
    const close = this.#open();
    const fields = 'message' in type ? type.message : { key: 'any' as const, value: type.map };
    const value = this.message(fields, path);
    this.expect(close);
    return 'message' in type ? { value } : { value, many: 'map' };
  }

  #open(): string {
    const text = this.#take();
    if (text === '{') return '}';
    if (text === '<') return '>';
    this.#next--;
    throw this.#unexpected("'{'");
  }

  #scalar(type: FieldType, path: string): unknown {
    const { line } = this.#token();
    const text = this.#take();
    const quoted = /^["']/.test(text);
    const wrong = () => this.#error(`${path}: expected a ${String(type)}, got ${text}`, line);
    if (type === 'string' || (type === 'any' && quoted)) {
      if (!quoted) throw wrong();
      let value = unquote(text);
      while (/^["']/.test(this.#peek())) value += unquote(this.#take());
      return value;
    }
    if (quoted || /^[{}[\]:,;<>]?$/.test(text)) throw wrong();
    if (type === 'bool') {
      if (text !== 'true' && text !== 'false') throw wrong();
      return text === 'true';
    }
    if (type === 'enum') return text;
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
