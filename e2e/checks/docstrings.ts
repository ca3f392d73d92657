/**
 * Holds docstrings to one rule, by pattern: each is a plain sentence that stands alone where an editor
 * shows it, without
 * the code and the docstrings around it. Part of `npm run check`.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const SOURCES = ['operator/src/**/*.ts', 'predictor-runtime/src/**/*.ts'];

/** One place that breaks the rule. */
export interface Finding {
  /** Line of the file, the first being 1. */
  readonly line: number;
  readonly problem: string;
}

/** Beginnings that lean on whatever stands before. */
const LEANING =
  /^(The same|Same|Likewise|Also|Otherwise|Then|So|Those|These|They|Their|Such|Of|One of|Some of|One that|Another|The others?|The rest)\b/;

/** Beginnings of a phrase that has no main clause, or has it too late. */
const FRAGMENT =
  /^(In|On|At|By|For|From|To|With|Without|Within|Until|Since|As|Between|Beyond|Below|Above|After|Before|Beside|Where|When|While|Whether|Why|What|Whatever|Who|Whom|Whose|Which|How|If|Unless|Undefined|Absent|Empty|Likely|Not)\b/;

/** Verbs that make a sentence of whatever stands before them. */
const AUXILIARY = /\b(is|are|was|has|have|can|may|must|does|do|goes|gets|needs?|becomes?|takes?)\b/;

/** Verbs that a clause may follow, as in 'Checks that'; other words before 'that' are nouns. */
const CLAUSE_VERBS = /^(Checks|Hears|Says|Tells|Tries)$/;

const FUNCTION = /^\s*(export )?((static|async|readonly|override) )*(function\b|#?\w+\??(<.*>)?\()/;
const EXPORTED = /^export (abstract )?(async )?(function|class|interface|type|enum)\b/;

/**
 * Returns what is wrong with a docstring; undefined when it follows the rule. @param code the line that it
 * stands before
 */
export function docstringProblem(text: string, code: string): string | undefined {
  const prose =
    text.split(/(?:^|\s)@(?:param|returns|throws|see|deprecated)\b/, 1)[0]?.trim() ?? '';
  const [sentence = ''] = prose.split(/(?<=[.!?])\s/, 1);
  const words = sentence.split(/\s+/);
  if (prose === '') return 'has tags and no sentence: say first what this is or does';
  if (!/^[A-Z]/.test(sentence)) return 'begins with no capital letter: write a sentence';
  const start = LEANING.exec(sentence)?.[0] ?? FRAGMENT.exec(sentence)?.[0];
  if (start !== undefined) return `begins with '${start}': name the thing itself, it is read alone`;
  if (words.length < 3) return 'is too short to stand alone';
  if (!FUNCTION.test(code) || AUXILIARY.test(sentence)) return undefined;
  const [first = '', second = ''] = words.map((word) => word.replace(/[,:]$/, ''));
  const isNoun = ['of', 'that', 'which'].includes(second) && !CLAUSE_VERBS.test(first);
  if (first === 'True' || (/^[A-Z][a-z]+s$/.test(first) && !isNoun)) return undefined;
  return "has no verb: say what the function does, as in 'Returns …'";
}

/** Finds the docstrings and comments of a source text that break the rule, and exports without a docstring. */
export function findProblems(source: string): Finding[] {
  const lines = source.split('\n');
  const findings: Finding[] = [];
  for (const match of source.matchAll(/^[ \t]*\/\*\*(.*?)\*\/[ \t]*$/gms)) {
    const line = source.slice(0, match.index).split('\n').length;
    const end = line + match[0].split('\n').length - 1;
    const text = (match[1] ?? '')
      .replace(/^\s*\* ?/gm, '')
      .replace(/\s+/g, ' ')
      .trim();
    const problem = docstringProblem(text, lines[end] ?? '');
    if (problem !== undefined) findings.push({ line, problem });
  }
  for (const [i, code] of lines.entries()) {
    const before = lines[i - 1]?.trim() ?? '';
    if (EXPORTED.test(code) && !before.endsWith('*/')) {
      findings.push({ line: i + 1, problem: 'is exported and has no docstring' });
    }
    const comment = /^\s*\/\/ (.*)/.exec(code)?.[1];
    const start = before.startsWith('//') ? undefined : LEANING.exec(comment ?? '')?.[0];
    if (start !== undefined)
      findings.push({ line: i + 1, problem: `comment begins with '${start}'` });
  }
  return findings.sort((a, b) => a.line - b.line);
}

function main(): void {
  let count = 0;
  for (const file of globSync(SOURCES, { cwd: ROOT }).sort()) {
    if (file.endsWith('.gen.ts')) continue;
    for (const { line, problem } of findProblems(readFileSync(join(ROOT, file), 'utf8'))) {
      count++;
      console.error(`${file}:${line}: ${problem}`);
    }
  }
  if (count > 0) console.error(`${count} docstrings and comments do not stand alone`);
  process.exitCode = count > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
