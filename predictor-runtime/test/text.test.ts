/** Text of requests and answers: nothing of it is replaced by another character without a word. */
import { expect } from 'chai';
import { RepositoryFolder } from './repository-folder.ts';
import { withServer } from './server.ts';

/** Answers the bytes that it is given, under two names. */
const ECHO = `
const tensor = { datatype: 'BYTES', shape: [-1] };
export const inputs = [{ name: 'text', ...tensor }];
export const outputs = [{ name: 'same', ...tensor }, { name: 'same_bytes', ...tensor }];
export const infer = ({ text }) => ({ same: text, same_bytes: text });
`;

type Body = string | Buffer;

async function withEcho(
  run: (post: (path: string, body: Body, type?: string) => Promise<[number, unknown]>) => unknown,
): Promise<void> {
  using folder = new RepositoryFolder({ 'echo/model.mjs': ECHO });
  await withServer({ modelRepository: [folder.dir], allowModelCode: true }, async (url) => {
    await run(async (path, body, type = 'application/json') => {
      const headers = { 'content-type': type };
      const reply = await fetch(url + path, { method: 'POST', headers, body: new Blob([body]) });
      const answer = (await reply.json()) as { error?: string };
      return [reply.status, answer.error ?? answer];
    });
  });
}

const V1 = '/v1/models/echo:predict';
const V2 = '/v2/models/echo/infer';
const v2 = (data: string) =>
  `{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["${data}"]}]}`;

describe('text', () => {
  it('of V1 is base64 where it is none, element by element', async () => {
    await withEcho(async (post) => {
      const binary = { b64: Buffer.from([0xff, 0, 0x61]).toString('base64') };
      expect(await post(V1, JSON.stringify({ instances: ['türkiye', binary] }))).to.deep.equal([
        200,
        {
          predictions: [
            { same: 'türkiye', same_bytes: { b64: 'dMO8cmtpeWU=' } },
            { same: binary, same_bytes: binary },
          ],
        },
      ]);
      expect(await post(V1, JSON.stringify({ inputs: [binary] }))).to.deep.equal([
        200,
        { outputs: { same: [binary], same_bytes: [binary] } },
      ]);
    });
  });

  it('is read in the charset that the media type names', async () => {
    await withEcho(async (post) => {
      for (const [charset, body] of [
        ['utf-8', '{"instances":["é"]}'],
        ['"UTF-8"', '{"instances":["é"]}'],
        ['us-ascii', '{"instances":["\\u00e9"]}'],
        ['iso-8859-1', Buffer.from('{"instances":["é"]}', 'latin1')],
        ['Windows-1252; x=y', Buffer.from('{"instances":["é"]}', 'latin1')],
        ['utf-16', Buffer.from('\ufeff{"instances":["é"]}', 'utf16le')],
      ] as const) {
        const answer = await post(V1, body, `application/json; charset=${charset}`);
        expect(answer, charset).to.deep.equal([
          200,
          { predictions: [{ same: 'é', same_bytes: { b64: 'w6k=' } }] },
        ]);
      }
      const latin = Buffer.from(v2('é'), 'latin1');
      const [status, answer] = await post(V2, latin, 'application/json;charset=latin1');
      expect([
        status,
        (answer as { outputs: { data: string[] }[] }).outputs[0]?.data,
      ]).to.deep.equal([200, ['é']]);
      expect(await post(V1, '{}', 'application/json; charset=klingon')).to.deep.equal([
        415,
        "content-type: charset 'klingon' is not supported, send UTF-8",
      ]);
      expect(
        await post(V1, Buffer.from([0x80, 0xff, 0xff]), 'application/json; charset=euc-jp'),
      ).to.deep.equal([400, 'body is not in the charset euc-jp that its content-type names']);
    });
  });

  const NOT_UTF8 = 'send text in UTF-8, and what is no text in base64';
  const SURROGATE = '"\\ud800x" is not a BYTES value, it has half of a surrogate pair';
  const long = ' '.repeat(2000);
  for (const [title, path, body, error] of [
    [
      'that is no UTF-8 in V1',
      V1,
      Buffer.from('{"instances":["é"]}', 'latin1'),
      `body is not UTF-8 at byte 15: ${NOT_UTF8}`,
    ],
    [
      'that is no UTF-8 in V2',
      V2,
      Buffer.from(v2('é'), 'latin1'),
      `body is not UTF-8 at byte 66: ${NOT_UTF8}`,
    ],
    [
      'that is no UTF-8 in a long body',
      V2,
      Buffer.from(v2('é') + long, 'latin1'),
      `body is not UTF-8 at byte 66: ${NOT_UTF8}`,
    ],
    [
      'with a surrogate in UTF-8',
      V1,
      Buffer.concat([
        Buffer.from('{"instances":["'),
        Buffer.from([0xed, 0xa0, 0x80]),
        Buffer.from('"]}'),
      ]),
      `body is not UTF-8 at byte 15: ${NOT_UTF8}`,
    ],
    ['with half of a pair in V1', V1, '{"instances":["\\ud800x"]}', `instances[0]: ${SURROGATE}`],
    ['with half of a pair in V2', V2, v2('\\ud800x'), `inputs[0].data[0]: ${SURROGATE}`],
    [
      'that is no UTF-8 in a setting',
      '/v2/logging',
      Buffer.from('{"é":1}', 'latin1'),
      `body is not UTF-8 at byte 2: ${NOT_UTF8}`,
    ],
    [
      'after a byte order mark',
      V2,
      `\ufeff${v2('a')}`,
      'body is not JSON: it begins with a byte order mark, which JSON has not: leave it out',
    ],
    [
      'after a byte order mark in a long body',
      V2,
      `\ufeff${v2('a')}${long}`,
      'body is not JSON: it begins with a byte order mark, which JSON has not: leave it out',
    ],
    [
      'in UTF-16 that no header tells of',
      V2,
      Buffer.from(`\ufeff${v2('a')}`, 'utf16le'),
      'body is not JSON: it is UTF-16: send UTF-8',
    ],
    [
      'in the parts of a form',
      V2,
      `--x\r\nContent-Disposition: form-data; name="body"\r\n\r\n${v2('a')}\r\n--x--`,
      'body is not JSON: it is multipart, as of a form: send the JSON as the body itself',
    ],
  ] as const) {
    it(`${title} is refused`, async () => {
      await withEcho(async (post) => {
        expect(await post(path, body)).to.deep.equal([400, error]);
      });
    });
  }
});
