/** The rule of docstrings: what it refuses, and what it lets pass. */
import { expect } from 'chai';
import { docstringProblem, findProblems } from './docstrings.ts';

describe('a docstring', () => {
  for (const [title, text, code, problem] of [
    ['leans on its neighbour', 'The same; undefined when there is none.', '', 'The same'],
    ['begins with Of', 'Of its tensors.', 'readonly bytes: number;', "'Of'"],
    ['is a phrase of a preposition', 'In ascending order.', 'get sorted(): T[] {', "'In'"],
    ['is a question without its clause', 'Why it failed.', 'error?: string;', "'Why'"],
    ['has nothing but tags', '@throws Error when it cannot.', 'start(): void {', 'no sentence'],
    ['is an example', '`cuda,cpu`', 'function providers(text: string) {', 'capital'],
    ['is too short', 'Negative exponent.', 'const sign = -1;', 'too short'],
    ['tells a function as a thing', 'Rows of a request.', 'export function rowsOf() {', 'no verb'],
  ] as const) {
    it(`is refused when it ${title}`, () => {
      expect(docstringProblem(text, code)).to.contain(problem);
    });
  }

  for (const [text, code] of [
    ['Total size of the tensors, in bytes.', '  readonly bytes: number;'],
    ['Returns the rows of a request.', 'export function rowsOf() {'],
    ['Listens, and returns the port. @throws Error when it cannot.', '  async listen() {'],
    ['True when the queue has room.', '  hasRoom(): boolean {'],
    ['Requests of one signature can share a run.', 'function signatureOf() {'],
  ] as const) {
    it(`passes: ${text}`, () => {
      expect(docstringProblem(text, code)).to.equal(undefined);
    });
  }

  it('is found by its line, and missed where a name is exported without one', () => {
    const source = `/** A module that is told of. */
import { a } from './a.ts';

/**
 * The same.
 */
const b = a;

export function c() {
  // Of the caller.
  return b;
}
`;
    expect(findProblems(source).map(({ line }) => line)).to.deep.equal([4, 9, 10]);
  });
});
