/** Which route a path takes: literals beside parameters, names of parameters, and what finds nothing. */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { json, type Routes } from '../src/transport/rest/reply.ts';
import { Router } from '../src/transport/rest/router.ts';
import { V2_ROUTES } from '../src/transport/rest/v2.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, withServer } from './server.ts';

const handler = () => json({});
const PLUGIN: Routes = {
  'GET /v2/models/iris/card': handler,
  'GET /v2/models/{model}/card/{page}': handler,
  'GET /v2': handler,
};

describe('routes', () => {
  const router = new Router(V2_ROUTES, { 'GET /v2': json as never }, PLUGIN);

  it('of a plugin take nothing from those beside them', () => {
    expect(router.find('GET', '/v2/models/iris/card').handler).to.equal(handler);
    const infer = router.find('POST', '/v2/models/iris/infer');
    expect(infer.handler).to.equal(V2_ROUTES['POST /v2/models/{name}/infer']);
    expect(infer.params).to.deep.equal({ name: 'iris' });
  });

  it('each have names of their own for a parameter', () => {
    expect(router.find('GET', '/v2/models/a%2Fb/card/3').params).to.deep.equal({
      model: 'a/b',
      page: '3',
    });
    expect(router.find('GET', '/v2/models/a%2Fb').params).to.deep.equal({ name: 'a/b' });
  });

  it('that are there twice count as the first says', () => {
    expect(router.find('GET', '/v2').handler).to.equal(json);
  });

  it('tell what is allowed instead', () => {
    expect(() => router.find('PUT', '/v2/models/iris/card')).to.throw(
      'PUT is not allowed here, use GET',
    );
    expect(() => router.find('GET', '/v2/models/iris/nothing')).to.throw('no such path');
    expect(() => router.find('GET', '/v2/models/%zz')).to.throw(
      "path segment '%zz' is not percent-encoded",
    );
  });

  it('lead back from what looks like a verb', () => {
    expect(router.find('GET', '/v2/models/a:b/').params).to.deep.equal({ name: 'a:b' });
    expect(router.find('POST', '/v2/models/a:b/infer').params).to.deep.equal({ name: 'a:b' });
  });

  it('are found in the absolute form of a request, too', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const { port } = new URL(url);
      for (const [path, status, body] of [
        [`${url}/v2/models/add/ready?x=1`, 200, '{"name":"add","ready":true}'],
        [
          'HTTPS://models.example.com/v2/models/add/versions/1/ready',
          200,
          '{"name":"add","ready":true}',
        ],
        ['http://models.example.com:80', 200, '{"status":"alive"}'],
        ['http://models.example.com?a=/v2', 200, '{"status":"alive"}'],
        ['http://[::1]/v2/nothing', 404, '{"error":"no such path: GET /v2/nothing"}'],
      ] as const) {
        const reply = await once(request({ host: '127.0.0.1', port, path }).end(), 'response');
        const [response] = reply as [IncomingMessage];
        expect([response.statusCode, await text(response)]).to.deep.equal([status, body]);
      }
    });
  });

  it('serve a model whose name is a word of another path', async () => {
    using folder = new RepositoryFolder({ stats: { model: 'add_two' } });
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      const tensor = { datatype: 'INT32', shape: [1, 4], data: [1, 2, 3, 4] };
      const { status, json: answer } = await call(`${url}/v2/models/stats/infer`, {
        inputs: ['a', 'b'].map((name) => ({ name, ...tensor })),
      });
      expect([status, answer.outputs?.[0].data]).to.deep.equal([200, [2, 4, 6, 8]]);
      expect((await call(`${url}/v2/models/stats`)).json.model_stats).to.have.length(1);
    });
  });
});
