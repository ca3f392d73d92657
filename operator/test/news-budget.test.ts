import { expect } from 'chai';
import { NewsBudget } from '../src/controller/news-budget.ts';

describe('news budget', () => {
  let time: number;
  let budget: NewsBudget;

  beforeEach(() => {
    time = 10_000;
    budget = new NewsBudget({ burst: 2, intervalMs: 1000, now: () => time });
  });

  const taken = (count: number) => Array.from({ length: count }, () => budget.take());

  it('gives its burst at once, and no more', () => {
    expect(taken(4)).to.deep.equal([true, true, false, false]);
  });

  it('gives one more for each interval, and refusals cost nothing', () => {
    taken(40);
    time += 999;
    expect(taken(1)).to.deep.equal([false]);
    time += 1;
    expect(taken(2)).to.deep.equal([true, false]);
  });

  it('has its burst again after a quiet time, and no more than that', () => {
    taken(3);
    time += 60_000;
    expect(taken(3)).to.deep.equal([true, true, false]);
  });
});
