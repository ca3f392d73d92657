/** Reads the integers and strings of pickles, whichever way protocols write them. */

/** Parses an integer of protocol 0, which writes booleans as 00 and 01. */
export function parseInteger(text: string): boolean | number | bigint {
  return text === '00' || text === '01' ? text === '01' : narrowInteger(BigInt(text));
}

/** Returns an integer as a number, or as a bigint where a double does not hold it. */
export function narrowInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Reads a signed integer of any length. */
export function readLittleEndian(bytes: Buffer): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  return BigInt.asIntN(bytes.length * 8, value);
}

/** Reads a string of protocol 0: Python's text of it, with its quotes and escapes. */
export function unescapeQuoted(text: string): string {
  return unescapeUnicode(text.slice(1, -1)).replaceAll(
    /\\(x[0-9a-f]{2}|[\\'"nrt])/g,
    (_, code: string) =>
      code.startsWith('x')
        ? String.fromCharCode(Number.parseInt(code.slice(1), 16))
        : (ESCAPES[code] ?? code),
  );
}

/** Characters that an escape of one letter stands for. */
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/** Reads text in Python's raw-unicode-escape: `\\u` and `\\U` stand for characters by their number. */
export function unescapeUnicode(text: string): string {
  return text.replaceAll(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short, long) =>
    String.fromCodePoint(Number.parseInt(short ?? long, 16)),
  );
}
