/** Schemas of protobuf messages: what the fields of a message are, and what each may say. */

/** Type of a single value. */
export type ScalarType = 'string' | 'int' | 'float' | 'bool' | 'any';

/** Type of a field: a scalar, an enumeration, a message by its fields, a map to one of these, or a repeated one. */
export type FieldType =
  | ScalarType
  | { readonly enum: readonly string[] }
  | { readonly message: MessageType }
  | { readonly repeated: FieldType }
  | { readonly map: FieldType }
  /** A field that is known, and must have the value that it has by itself: nothing here could obey another. */
  | { readonly idle: FieldType }
  /** A field that is known, and refused with what to do instead. */
  | { readonly unsupported: string };

/** Fields of a message by their names. */
export type MessageType = Readonly<Record<string, FieldType>>;

/** Returns the type of a message's field; undefined when there is no such field. */
export function fieldOf(type: MessageType, name: string): FieldType | undefined {
  return Object.hasOwn(type, name) ? type[name] : undefined;
}

/** Returns the name of an enumeration's value, given by its name or its number; undefined for another. */
export function enumName(value: unknown, names: readonly string[]): string | undefined {
  if (names.includes(String(value))) return String(value);
  return /^\d+$/.test(String(value)) ? names[Number(value)] : undefined;
}

/** Says that a value is none of an enumeration. @param got the value as it is written */
export function unknownName(path: string, names: readonly string[], got: string): string {
  return `${path}: expected one of ${names.join(', ')}, got ${got}`;
}

/** Says that a message has no such field. */
export function unknownField(path: string, type: MessageType): string {
  return `${path}: unknown field, expected one of ${Object.keys(type).join(', ')}`;
}

/** Says that a field is not supported. @param instead what to do */
export function unsupported(path: string, instead: string): string {
  return `${path}: is not supported here; ${instead}`;
}

/** Returns what is wrong with the value of an idle field; undefined when it says nothing. */
export function idleFault(value: unknown, type: FieldType, path: string): string | undefined {
  if (saysNothing(value, type)) return undefined;
  return unsupported(path, `${JSON.stringify(value)} has no effect, leave it out`);
}

function saysNothing(value: unknown, type: FieldType): boolean {
  if (typeof value === 'object' && value !== null) {
    if (Array.isArray(value)) return value.length === 0;
    const fields = typeof type !== 'string' && 'message' in type ? type.message : {};
    return Object.entries(value).every(([name, item]) => saysNothing(item, fields[name] ?? 'any'));
  }
  if (typeof type !== 'string' && 'enum' in type) return value === type.enum[0];
  return value === '' || value === 0 || value === false;
}
