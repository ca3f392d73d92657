/** A model of each format that is read here, from YAML to what its framework answers. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ROOT } from '../harness/cluster.ts';
import { apply, ready, removeAll, router, sample } from '../harness/kubectl.ts';
import { FIXTURES, startModelStore, stopModelStore } from '../harness/model-store.ts';

interface Golden {
  readonly cases: readonly [{ request: object; response: { outputs: [{ data: number[] }] } }];
}

const FORMATS = { xgboost: 'trees', lightgbm: 'leaves', sklearn: 'flowers' } as const;
const CLOSE = 1e-6;

describe('model formats', function () {
  this.timeout(120_000);
  before(startModelStore);
  after(stopModelStore);

  for (const [format, model] of Object.entries(FORMATS)) {
    it(format, async () => {
      const folder = join(ROOT, 'predictor-runtime/test/models', FIXTURES[model], '..');
      const { cases }: Golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8'));
      const [{ request, response }] = cases;
      const file = FIXTURES[model].split('/')[1];
      await apply(
        sample('xgboost.yaml')
          .replace('name: xgboost', `name: ${format}`)
          .replace('s3://models/churn', `http://model-store.default/${model}/${file}`),
      );
      await ready('churn');
      const answer = await fetch(`${router()}/serving/default/churn/v2/models/churn/infer`, {
        method: 'POST',
        body: JSON.stringify(request),
      });
      const { outputs } = (await answer.json()) as typeof response;
      const expected = response.outputs[0].data;
      expect(outputs[0].data).to.have.length(expected.length);
      for (const [i, value] of expected.entries()) {
        expect(outputs[0].data[i], `element ${i}`).to.be.closeTo(value, CLOSE);
      }
      await removeAll('churn');
    });
  }
});
