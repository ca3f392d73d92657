/** The check of the paths that documents name. */
import { expect } from 'chai';
import { missingPaths } from './paths.ts';

describe('paths in documents', () => {
  const files = ['operator/src/plan/plan.ts', 'config/samples/iris.yaml'];
  for (const [text, missing] of [
    ['see `plan/plan.ts` and `config/samples/iris.yaml`', []],
    ['see `plan/gone.ts`', ['plan/gone.ts']],
    ['see `test/*.test.ts`, `plan.ts` and plan/gone.ts', []],
  ] as const) {
    it(text, () => expect(missingPaths(text, files)).to.deep.equal(missing));
  }
});
