/** Parses JSON as Python writes it. */

/** A string, or a number that JSON has not. */
const STRINGS_AND_ODD_NUMBERS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:NaN|Infinity)/g;

/**
 * Parses JSON in which numbers may be NaN or infinite, as Python's json module and XGBoost write them. Such a number
 * becomes text, of which Number() makes the number again.
 * @throws SyntaxError when the text is no JSON.
 */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const mended = text.replaceAll(STRINGS_AND_ODD_NUMBERS, (found) =>
      found.startsWith('"') ? found : `"${found}"`,
    );
    if (mended === text) throw error;
    return JSON.parse(mended);
  }
}
