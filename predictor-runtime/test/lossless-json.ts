/** JSON for tests in which integers beyond 2^53 keep their digits. */

/** JSON.rawJSON of ECMAScript 2026, which TypeScript's library does not know yet. */
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

export function parseLossless(text: string): unknown {
  return JSON.parse(text, (_key, value, context?: { source?: string }) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? '')
      ? rawJSON(context?.source ?? '')
      : value,
  );
}
