/** Which runs take the server's own thread. */
import { expect } from 'chai';
import { Pace } from '../src/engine/onnx/pace.ts';

/** Runs a model of a true pace `count` times; waits elsewhere take `wait` ms more. Returns how many ran here. */
function runs(pace: Pace, ms: number, { count = 100, wait = 1, bytes = 16 } = {}): number {
  let here = 0;
  for (let i = 0; i < count; i++) {
    const isHere = pace.isShort(bytes);
    if (isHere) here++;
    pace.took({ ms: isHere ? ms : ms + wait, bytes, here: isHere });
  }
  return here;
}

describe('the pace of a model', () => {
  it('short runs stay, however long they would wait elsewhere', () => {
    expect(runs(new Pace(), 0.02, { wait: 4 })).to.be.above(85);
  });

  it('runs of a millisecond are tried ever less often', () => {
    expect(runs(new Pace(), 1, { count: 1000 })).to.be.within(1, 8);
  });

  it('long ones are never tried', () => {
    expect(runs(new Pace(), 20)).to.equal(0);
  });

  it('a model that becomes slow goes', () => {
    const pace = new Pace();
    runs(pace, 0.02);
    expect(runs(pace, 3)).to.be.below(8);
  });

  it('one that something else held up is forgiven', () => {
    const pace = new Pace();
    for (let i = 0; i < 7; i++) pace.took({ ms: 0.2, bytes: 16, here: pace.isShort(16) });
    pace.took({ ms: 50, bytes: 16, here: true });
    expect(pace.isShort(16)).to.equal(false);
    pace.took({ ms: 0.2, bytes: 16, here: false });
    expect(pace.isShort(16)).to.equal(true);
  });

  it('much more input than before is not believed to be short', () => {
    const pace = new Pace();
    runs(pace, 0.02);
    expect(pace.isShort(16 * 100)).to.equal(false);
  });
});
