/** Reads estimators that make counts of words of texts (sklearn.feature_extraction.text). */
import type { NdArray } from '../files/numpy.ts';
import { PickleDict } from '../files/pickle.ts';
import { cellError, numbersOf, type Table } from '../table.ts';
import { ANYTHING, type EstimatorReader } from './estimator.ts';
import { type Fitted, show } from './fitted.ts';
import { type Norm, normalized } from './scaling.ts';

/** Returns the terms of a text that are counted. */
type Analyzer = (text: string) => string[];

/** Matches Python's `\w`: a letter, a digit or an underscore of any script. */
const WORD = '[\\p{L}\\p{N}_]';
/** Expressions of `token_pattern` that are known, and JavaScript's for the same. */
const TOKEN_PATTERNS: Readonly<Record<string, RegExp>> = {
  '(?u)\\b\\w\\w+\\b': new RegExp(`${WORD}{2,}`, 'gu'),
  '(?u)\\b\\w+\\b': new RegExp(`${WORD}+`, 'gu'),
  '\\b\\w\\w+\\b': new RegExp(`${WORD}{2,}`, 'gu'),
  '\\b\\w+\\b': new RegExp(`${WORD}+`, 'gu'),
  '\\w+': new RegExp(`${WORD}+`, 'gu'),
  '\\S+': /\S+/gu,
  '[^\\s]+': /\S+/gu,
};

function readAnalyzer(fitted: Fitted): Analyzer {
  for (const hook of ['preprocessor', 'tokenizer']) {
    if (fitted.has(hook)) fitted.refuse(`a ${hook} of its own`);
  }
  const kind = fitted.oneOf('analyzer', ['word', 'char', 'char_wb']);
  const [least, most] = fitted.list('ngram_range') as [number, number];
  const prepare = readPreparation(fitted);
  const range = { least, most };
  if (kind === 'char') return (text) => characterRuns(singleSpaced(prepare(text)), range);
  if (kind === 'char_wb') return (text) => characterRunsInWords(singleSpaced(prepare(text)), range);
  const tokenize = readTokenizer(fitted, most > 1);
  return (text) => wordRuns(tokenize(prepare(text)), range);
}

/** Smallest and largest number of words, or of characters, in a term. */
interface Range {
  readonly least: number;
  readonly most: number;
}

function readPreparation(fitted: Fitted): (text: string) => string {
  const accents = fitted.oneOf('strip_accents', [undefined, 'ascii', 'unicode']);
  const isLower = fitted.flag('lowercase', true);
  return (text) => {
    const cased = isLower ? text.toLowerCase() : text;
    if (accents === undefined) return cased;
    const decomposed = cased.normalize('NFKD');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins at NUL.
    return decomposed.replaceAll(accents === 'ascii' ? /[^\x00-\x7f]/gu : /\p{M}/gu, '');
  };
}

function readTokenizer(fitted: Fitted, isPhrases: boolean): (text: string) => string[] {
  const source = fitted.string('token_pattern');
  const pattern = TOKEN_PATTERNS[source];
  if (pattern === undefined) return fitted.refuse(`token_pattern=${show(source)}`);
  const stopWords = readStopWords(fitted, isPhrases);
  return (text) => (text.match(pattern) ?? []).filter((word) => !stopWords.has(word));
}

/**
 * Reads the stop words. scikit-learn's own list is not here. Single words do not need it, as a stop word is not in the
 * vocabulary.
 */
function readStopWords(fitted: Fitted, isPhrases: boolean): ReadonlySet<unknown> {
  const words = fitted.get('stop_words');
  if (words === undefined) return new Set();
  if (words instanceof Set) return words;
  if (Array.isArray(words)) return new Set(words);
  if (isPhrases)
    fitted.refuse(`stop_words=${show(words)} and an ngram_range; give the words as a list`);
  return new Set();
}

/** Returns all runs of `least` to `most` words. */
function wordRuns(words: readonly string[], { least, most }: Range): string[] {
  if (most === 1) return [...words];
  const phrases: string[] = [];
  for (let size = least; size <= most; size++) {
    for (let i = 0; i + size <= words.length; i++) phrases.push(words.slice(i, i + size).join(' '));
  }
  return phrases;
}

/** Makes one space of several. */
function singleSpaced(text: string): string {
  return text.replaceAll(/\s\s+/gu, ' ');
}

/** Returns all runs of `least` to `most` characters. */
function characterRuns(text: string, { least, most }: Range): string[] {
  const all = Array.from(text);
  const runs: string[] = [];
  for (let size = least; size <= Math.min(most, all.length); size++) {
    for (let i = 0; i + size <= all.length; i++) runs.push(all.slice(i, i + size).join(''));
  }
  return runs;
}

/**
 * Returns all runs of characters within words that have a space at either side. A word that is shorter than a run
 * counts once.
 */
function characterRunsInWords(text: string, { least, most }: Range): string[] {
  const runs: string[] = [];
  for (const word of text.split(/\s+/u).filter((part) => part !== '')) {
    const all = Array.from(` ${word} `);
    for (let size = least; size <= most; size++) {
      runs.push(all.slice(0, size).join(''));
      for (let i = 1; i + size <= all.length; i++) runs.push(all.slice(i, i + size).join(''));
      if (size >= all.length) break;
    }
  }
  return runs;
}

function readVocabulary(fitted: Fitted): Map<string, number> {
  const words = fitted.get('vocabulary_');
  if (!(words instanceof PickleDict)) return fitted.refuse('no vocabulary_: it was not fitted');
  return new Map([...words].map(([word, index]) => [String(word), Number(index)]));
}

const counter: EstimatorReader = (fitted) => {
  const analyze = readAnalyzer(fitted);
  const vocabulary = readVocabulary(fitted);
  const isBinary = fitted.flag('binary');
  const width = vocabulary.size;
  return {
    accepts: ANYTHING,
    textColumns: [0],
    transform: (table) => {
      const { rows, width: given } = table;
      const counts = new Float64Array(rows * width);
      for (let row = 0; row < rows; row++) {
        for (const word of analyze(textOf(table, row * given))) {
          const index = vocabulary.get(word);
          if (index === undefined) continue;
          const at = row * width + index;
          counts[at] = isBinary ? 1 : (counts[at] as number) + 1;
        }
      }
      return { rows, width, data: counts };
    },
  };
};

/** Returns a cell that is text. @throws RowError when it is none. */
function textOf(table: Table, at: number): string {
  const cell = table.data[at];
  if (typeof cell === 'string') return cell;
  throw cellError(table, at, `expected text, got ${show(cell)}`);
}

const tfidf: EstimatorReader = (fitted) => {
  const norm = fitted.oneOf('norm', [undefined, 'l1', 'l2']) as Norm | undefined;
  const isSublinear = fitted.flag('sublinear_tf');
  const weights = fitted.flag('use_idf') ? inverseFrequencies(fitted) : undefined;
  return {
    transform: (table) => {
      const { rows, width, data } = numbersOf(table);
      const values = data.map((count, i) => {
        const frequency = isSublinear && count !== 0 ? Math.log(count) + 1 : count;
        return weights === undefined ? frequency : frequency * (weights[i % width] as number);
      });
      const weighted: Table = { rows, width, data: values };
      return norm === undefined ? weighted : normalized(weighted, norm);
    },
  };
};

/** Reads `idf_`, which was the diagonal of a sparse matrix before 1.6. */
function inverseFrequencies(fitted: Fitted): Float64Array {
  if (fitted.has('idf_')) return fitted.numbers('idf_');
  const diagonal = fitted.within(fitted.get('_idf_diag')).get('data') as NdArray;
  return diagonal.data as Float64Array;
}

const tfidfVectorizer: EstimatorReader = (fitted, read) => {
  const { transform: count } = counter(fitted, read);
  const { transform: weigh } = tfidf(fitted.within(fitted.get('_tfidf')), read);
  return {
    accepts: ANYTHING,
    textColumns: [0],
    transform: (table) => (weigh as (t: Table) => Table)((count as (t: Table) => Table)(table)),
  };
};

/** Readers by class. */
export const TEXT: Readonly<Record<string, EstimatorReader>> = {
  CountVectorizer: counter,
  TfidfTransformer: tfidf,
  TfidfVectorizer: tfidfVectorizer,
};
