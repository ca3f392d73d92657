/** A revision's name and back. */
import { expect } from 'chai';
import fc from 'fast-check';
import {
  COMPONENTS,
  formatRevision,
  parseRevision,
  type RevisionRef,
  revisionName,
  sameRevision,
} from '../src/api/revision.ts';

describe('RevisionRef', () => {
  const refs = fc.record({
    namespace: fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/),
    service: fc.stringMatching(/^[a-z]([-a-z0-9]{0,20}(-predictor-00001)?[a-z0-9])?$/),
    component: fc.constantFrom(...COMPONENTS),
    revision: fc.integer({ min: 1, max: 2_000_000 }),
  });

  it('comes back from its name', () => {
    fc.assert(
      fc.property(refs, (ref) => {
        expect(parseRevision(ref.namespace, revisionName(ref))).to.deep.equal(ref);
        expect(formatRevision(ref)).to.equal(`${ref.namespace}/${revisionName(ref)}`);
      }),
    );
  });

  it('differs when any part differs', () => {
    const ref: RevisionRef = {
      namespace: 'ns',
      service: 'iris',
      component: 'predictor',
      revision: 1,
    };
    expect(sameRevision(ref, { ...ref })).to.equal(true);
    for (const other of [
      { namespace: 'other' },
      { service: 'other' },
      { component: 'transformer' },
      { revision: 2 },
    ] as const) {
      expect(sameRevision(ref, { ...ref, ...other })).to.equal(false);
    }
  });

  for (const name of [
    'iris',
    'iris-predictor',
    'iris-predictor-1',
    'iris-predictor-00000',
    '-predictor-00001',
    'iris-predictor-000001',
    'iris-router-00001',
  ]) {
    it(`${name} is not a revision's name`, () => {
      expect(parseRevision('default', name)).to.equal(undefined);
    });
  }
});
