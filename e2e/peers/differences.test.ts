/** Where two answers differ, and which of it is listed. */
import { expect } from 'chai';
import { differences, gone, type KeptDifference, unlisted } from './differences.ts';

describe('differences of answers', () => {
  const found = (there: object, here: object) =>
    differences({ status: 200, json: there }, { status: 200, json: here }, 'CALL').map(
      ({ path }) => path,
    );

  it('are named by the path of the field, which is on one side only or has another value', () => {
    expect(found({ a: 1, b: { c: [true] } }, { b: { c: [true] }, a: 1 })).to.deep.equal([]);
    expect(found({ a: 1, b: { c: 'x' } }, { b: { c: 'y' }, d: null })).to.deep.equal([
      'CALL.json.a',
      'CALL.json.b.c',
      'CALL.json.d',
    ]);
    expect(found([{ a: 1 }, { a: 2 }], [{ a: 1 }, { a: 0 }])).to.deep.equal(['CALL.json.1.a']);
    expect(found({ a: [1] }, { a: [] })).to.deep.equal(['CALL.json.a.0']);
    expect(found([], {})).to.deep.equal(['CALL.json']);
    expect(found({ a: 1 }, { a: '1' })).to.deep.equal(['CALL.json.a']);
  });

  it('are told of the status alone where that differs, and not of a field of that name', () => {
    const answer = (status: number) => ({ status, json: { message: `${status}` } });
    expect(differences(answer(404), answer(400), 'CALL')).to.deep.equal([
      { path: 'CALL.status', there: 404, here: 400 },
    ]);
    expect(found({ status: 'READY', a: 1 }, { status: 'UP', a: 2 })).to.deep.equal([
      'CALL.json.status',
      'CALL.json.a',
    ]);
  });

  it('are listed, or not, and what is listed is there, or gone', () => {
    const row = (...at: RegExp[]): KeptDifference => ({
      what: 'w',
      there: '',
      here: '',
      why: '',
      at,
    });
    const two = differences({ a: 1, b: 1 }, { a: 2, b: 2 }, 'CALL');
    expect(unlisted(two, [row(/a$/)])).to.deep.equal(['{"path":"CALL.b","there":1,"here":2}']);
    expect(unlisted(two, [row(/a$/), row(/b$/)])).to.deep.equal([]);
    expect(gone(two, [row(/a$/, /c$/)])).to.deep.equal(['w: /c$/']);
  });
});
