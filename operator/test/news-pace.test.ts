import { expect } from 'chai';
import { NewsPace } from '../src/controller/news-pace.ts';

describe('news pace', () => {
  let time: number;
  let pace: NewsPace;

  beforeEach(() => {
    time = 10_000;
    pace = new NewsPace({ burst: 2, intervalMs: 1000, now: () => time });
  });

  const waits = (...keys: string[]) => keys.map((key) => pace.wait(key));

  it('lets the first through at once and gives the others a place each', () => {
    expect(waits('a', 'b', 'c', 'd')).to.deep.equal([0, 0, 1000, 2000]);
  });

  it('keeps the place of a key that asks again, and lets it through when its time has come', () => {
    waits('a', 'b', 'c', 'd');
    time += 400;
    expect(waits('d', 'c')).to.deep.equal([1600, 600]);
    time += 600;
    expect(waits('c', 'd')).to.deep.equal([0, 1000]);
  });

  it('forgets a key that was told otherwise, without moving those behind it', () => {
    waits('a', 'b', 'c', 'd');
    pace.forget('c');
    expect(waits('d', 'c')).to.deep.equal([2000, 3000]);
  });

  it('has its burst again after a quiet time', () => {
    waits('a', 'b', 'c');
    time += 60_000;
    expect(waits('d', 'e', 'f')).to.deep.equal([0, 0, 1000]);
  });
});
