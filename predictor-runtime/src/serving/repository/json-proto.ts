/**
 * Protobuf's JSON, read by a schema: names as written in the schema or in camel case, integers as numbers or texts,
 * enumerations by name or number, null for what is not given. Source: protobuf.dev, "ProtoJSON Format".
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

/** Reads a message; its fields have their schema's names. @throws SyntaxError with the path of the field. */
export function readJsonProto(value: unknown, type: MessageType, path = ''): Json {
  const result: Json = {};
  for (const [key, item] of Object.entries(objectOf(value, path))) {
    const name = Object.hasOwn(type, key) ? key : snakeCase(key);
    const field = fieldOf(type, name);
    const at = path === '' ? name : `${path}.${name}`;
    if (field === undefined) {
      throw new SyntaxError(unknownField(path === '' ? key : `${path}.${key}`, type));
    }
    if (Object.hasOwn(result, name)) throw new SyntaxError(`${at}: is given twice`);
    if (item !== null) result[name] = readValue(item, field, at);
  }
  return result;
}

function objectOf(value: unknown, path: string): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new SyntaxError(`${path || 'config'}: expected an object`);
}

/** Translates a name: `maxBatchSize` → `max_batch_size`. */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function readValue(value: unknown, type: FieldType, path: string): unknown {
  if (typeof type === 'string') return readScalar(value, type, path);
  if ('enum' in type) {
    const name = enumName(value, type.enum);
    if (name !== undefined) return name;
    throw new SyntaxError(unknownName(path, type.enum, JSON.stringify(value)));
  }
  if ('message' in type) return readJsonProto(value, type.message, path);
  if ('unsupported' in type) throw new SyntaxError(unsupported(path, type.unsupported));
  if ('idle' in type) {
    const isFilled = Array.isArray(value) && value.length > 0;
    const read = isFilled ? value : readValue(value, type.idle, path);
    const fault = idleFault(read, type.idle, path);
    if (fault !== undefined) throw new SyntaxError(fault);
    return read;
  }
  if ('map' in type) {
    const entries = Object.entries(objectOf(value, path));
    return Object.fromEntries(
      entries.map(([key, item]) => [key, readValue(item, type.map, `${path}.${key}`)]),
    );
  }
  if (!Array.isArray(value)) throw new SyntaxError(`${path}: expected an array`);
  return value.map((item, i) => readValue(item, type.repeated, `${path}[${i}]`));
}

/** Names of JSON's types. */
const EXPECTED = { string: 'string', int: 'number', float: 'number', bool: 'boolean' } as const;

function readScalar(value: unknown, type: ScalarType, path: string): unknown {
  if (type === 'any') return value;
  const isNumber = type === 'int' || type === 'float';
  const read = isNumber && typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  const isRight =
    typeof read === EXPECTED[type] &&
    !(isNumber && Number.isNaN(read)) &&
    !(type === 'int' && !Number.isInteger(read));
  if (isRight) return read;
  throw new SyntaxError(`${path}: expected a ${EXPECTED[type]}, got ${JSON.stringify(value)}`);
}
