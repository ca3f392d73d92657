/** Where two answers differ, and what the documentation tells of it. */
import { expect } from 'chai';
import { differences, toldDifferences } from './differences.ts';

describe('differences of answers', () => {
  const found = (there: object, here: object) =>
    differences('CALL', { status: 200, json: there }, { status: 200, json: here });

  it('are named by the path of the field, which is on one side only or has another value', () => {
    expect(found({ a: 1, b: { c: [true] } }, { b: { c: [true] }, a: 1 })).to.deep.equal([]);
    expect(found({ a: 1, b: { c: 'x' } }, { b: { c: 'y' }, d: null })).to.deep.equal([
      'CALL: a',
      'CALL: b.c',
      'CALL: d',
    ]);
    expect(found([{ a: 1 }, { a: 2 }], [{ a: 0 }, { a: 0 }])).to.deep.equal(['CALL: a']);
    expect(found({ a: [1] }, { a: [] })).to.deep.equal(['CALL: a.length']);
    expect(found([], {})).to.deep.equal(['CALL: body']);
    expect(found({ a: 1 }, { a: '1' })).to.deep.equal(['CALL: a']);
  });

  it('of two refusals are the same for every call, unless the statuses differ', () => {
    const refusal = (status: number, message: string) => ({ status, json: { message } });
    expect(differences('CALL', refusal(404, 'a'), refusal(404, 'b'))).to.deep.equal([
      'any refusal: message',
    ]);
    expect(differences('CALL', refusal(404, 'a'), refusal(400, 'b'))).to.deep.equal([
      'CALL: HTTP status',
    ]);
  });

  it('are told in tables, each row with its reason', () => {
    const told = toldDifferences("TorchServe's management API");
    expect(told).to.include('any refusal: message');
    expect(new Set(told).size).to.equal(told.length);
    expect(() => toldDifferences('No such heading')).to.throw('has no table');
  });
});
