/** The management API beside a real TorchServe: the same calls, in the same order, to both. */
import { expect } from 'chai';
import { managementConfig, TOKEN } from '../../predictor-runtime/test/management-client.ts';
import { RepositoryFolder } from '../../predictor-runtime/test/repository-folder.ts';
import { withServer } from '../../predictor-runtime/test/server.ts';
import { type Difference, differences, gone, isDocumented, unlisted } from './differences.ts';
import { startTorchServe, type TorchServe } from './torchserve.ts';
import { TORCHSERVE_DIFFERENCES } from './torchserve-differences.ts';

/** A call as the table names it, and what is sent; the body is JSON. */
type Exchange = readonly [call: string, request: string, body?: object];

const ONE = 'url=echo-1.mar&model_name=echo';
const TWO = 'url=echo-2.mar&model_name=echo';
const SYNC = 'synchronous=true';

/** A session: each call finds what those before it left. */
const SESSION: readonly Exchange[] = [
  ['GET /models', 'GET /models'],
  ['GET /models/NAME', 'GET /models/echo'],
  ['POST /models', `POST /models?${ONE}&initial_workers=1&${SYNC}`],
  ['GET /models', 'GET /models'],
  ['GET /models/NAME', 'GET /models/echo'],
  ['POST /models', `POST /models?${ONE}`],
  // A second version: it takes no requests until it is the default.
  ['POST /models', `POST /models?${TWO}&initial_workers=1`],
  ['POST /models', `POST /models?${TWO}&initial_workers=1`],
  ['GET /models', 'GET /models'],
  ['GET /models/NAME', 'GET /models/echo'],
  ['GET /models/NAME', 'GET /models/echo/all'],
  ['GET /models/NAME', 'GET /models/echo/1'],
  ['GET /models/NAME', 'GET /models/echo/2'],
  ['GET /models/NAME', 'GET /models/echo/3'],
  ['GET /models/NAME', 'GET /models/echo/newest'],
  ['GET /models/NAME/1.0', 'GET /models/echo/1.0'],
  ['GET /models/NAME?customized=true', 'GET /models/echo?customized=true'],
  ['DELETE /models/NAME', 'DELETE /models/echo'],
  ['DELETE /models/NAME', 'DELETE /models/echo/1'],
  ['DELETE /models/NAME', 'DELETE /models/echo/3'],
  ['PUT /models/NAME', `PUT /models/echo?min_worker=2&${SYNC}`],
  ['PUT /models/NAME', `PUT /models/echo/2?min_worker=1&max_worker=1&${SYNC}`],
  ['PUT /models/NAME', `PUT /models/echo/2?min_worker=1&max_worker=2&${SYNC}`],
  ['GET /models/NAME', 'GET /models/echo/2'],
  ['PUT /models/NAME', `PUT /models/echo/2?min_worker=2&max_worker=3&${SYNC}`],
  ['PUT /models/NAME', `PUT /models/echo/2?min_worker=1&max_worker=3&${SYNC}`],
  ['GET /models/NAME', 'GET /models/echo/2'],
  ['PUT /models/NAME', 'PUT /models/echo?min_worker=1'],
  ['PUT /models/NAME', 'PUT /models/echo/2'],
  ['PUT /models/NAME', 'PUT /models/echo?min_worker=2&max_worker=1'],
  ['PUT /models/NAME', 'PUT /models/echo?max_worker=0'],
  ['PUT /models/NAME', 'PUT /models/echo/3?min_worker=1'],
  ['PUT /models/NAME', 'PUT /models/other?min_worker=1'],
  ['PUT /models/NAME?min_worker=0', `PUT /models/echo/2?min_worker=0&${SYNC}`],
  ['PUT /models/NAME?min_worker=-1', 'PUT /models/echo/2?min_worker=-1'],
  ['PUT /models/NAME?min_worker=x', 'PUT /models/echo/2?min_worker=x'],
  ['PUT /models/NAME/VERSION/set-default', 'PUT /models/echo/3/set-default'],
  ['PUT /models/NAME/VERSION/set-default', 'PUT /models/other/1/set-default'],
  ['PUT /models/NAME/VERSION/set-default', 'PUT /models/echo/set-default'],
  ['PUT /models/NAME/VERSION/set-default', 'PUT /models/echo/2/set-default'],
  ['GET /models', 'GET /models'],
  ['DELETE /models/NAME', 'DELETE /models/echo/2'],
  ['DELETE /models/NAME', 'DELETE /models/echo/1'],
  ['GET /models', 'GET /models'],
  ['DELETE /models/NAME', 'DELETE /models/echo'],
  ['DELETE /models/NAME', 'DELETE /models/echo'],
  ['GET /models/NAME', 'GET /models/echo'],
  ['GET /models', 'GET /models'],
  // What a registration says of batches and timeouts, in a query and in JSON.
  [
    'POST /models',
    `POST /models?${ONE}&batch_size=4&max_batch_delay=50&response_timeout=7&initial_workers=1`,
  ],
  ['GET /models/NAME', 'GET /models/echo'],
  ['DELETE /models/NAME', 'DELETE /models/echo/1'],
  [
    'POST /models',
    'POST /models',
    {
      url: 'echo-1.mar',
      model_name: 'echo',
      batch_size: 2,
      max_batch_delay: 30,
      response_timeout: 9,
      initial_workers: 1,
      synchronous: true,
    },
  ],
  ['GET /models/NAME', 'GET /models/echo'],
  ['POST /models', 'POST /models', { model_name: 'x' }],
  ['POST /models', 'POST /models'],
  ['POST /models', 'POST /models?url=nothing.mar'],
  ['POST /models', 'POST /models?url=../echo-1.mar&model_name=up'],
  ['POST /models?handler=H', 'POST /models?url=echo-1.mar&model_name=h&handler=other.py'],
  ['POST /models?runtime=R', 'POST /models?url=echo-1.mar&model_name=r&runtime=python'],
  ['POST /models?startup_timeout=N', 'POST /models?url=echo-1.mar&model_name=s&startup_timeout=9'],
  ['POST /models?unknown=U', 'POST /models?url=echo-1.mar&model_name=u&unknown=1'],
  ['POST /models?batch_size=x', 'POST /models?url=echo-1.mar&model_name=x&batch_size=x'],
  ['POST /models?batch_size=0', 'POST /models?url=echo-1.mar&model_name=z&batch_size=0'],
  ['POST /models', 'POST /models?url=echo-1.mar&model_name=a&initial_workers=1&synchronous=false'],
  ['POST /models without initial_workers', 'POST /models?url=echo-1.mar&model_name=w'],
  ['POST /models without model_name', 'POST /models?url=echo-2.mar&initial_workers=1'],
  ['DELETE /models/NAME', 'DELETE /models/a'],
  ['DELETE /models/NAME', 'DELETE /models/w/1'],
  ['GET /models?limit=x', 'GET /models?limit=x'],
  ['GET /models?limit=0', 'GET /models?limit=0'],
  ['the description', 'OPTIONS /'],
  ['the description', 'GET /api-description'],
  ['any other path or method', 'GET /'],
  ['any other path or method', 'GET /ping'],
  ['any other path or method', 'GET /nothing'],
  ['any other path or method', 'OPTIONS /models'],
  ['any other path or method', 'DELETE /models'],
  ['any other path or method', 'PUT /models'],
  ['any other path or method', 'POST /models/echo'],
  ['any other path or method', 'PATCH /models/echo'],
  ['any other path or method', 'GET /models/echo/1/workers'],
];

/** Fields of workers that differ from one process to the next; of them the types are compared. */
const OF_PROCESSES = new Set(['id', 'pid', 'startTime', 'memoryUsage']);

/** The paths of a description and their methods, which are what clients are made of; the texts are each server's own. */
function outline({ openapi, paths }: { openapi: string; paths: Record<string, object> }): object {
  const methods = Object.entries(paths).map(([path, of]) => [path, `${Object.keys(of).sort()}`]);
  return { openapi, paths: Object.fromEntries(methods) };
}

async function send(url: string, request: string, body?: object): Promise<object> {
  const [method, path] = request.split(' ');
  const reply = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const json = JSON.parse(await reply.text(), (field, value) =>
    OF_PROCESSES.has(field) ? typeof value : value,
  );
  return { status: reply.status, json: 'openapi' in json ? outline(json) : json };
}

const python = process.env.WHERRY_TORCHSERVE;

(python === undefined ? describe.skip : describe)('beside TorchServe', () => {
  let peer: TorchServe;
  before(async function () {
    this.timeout(120_000);
    peer = await startTorchServe(python as string, [
      { name: 'echo', version: '1' },
      { name: 'echo', version: '2' },
    ]);
  });
  after(() => peer?.stop());

  async function session(here: string): Promise<Difference[]> {
    const found: Difference[] = [];
    for (const [call, request, body] of SESSION) {
      const [theirs, ours] = [
        await send(peer.management, request, body),
        await send(here, request, body),
      ];
      found.push(...differences(theirs, ours, call));
    }
    return found;
  }

  it('the management API differs where that is listed, and nowhere else', async function () {
    this.timeout(120_000);
    using folder = new RepositoryFolder({
      '.tokens': TOKEN,
      'echo-1.mar/1': { model: 'sklearn_iris_logreg_onnx' },
      'echo-2.mar/2': { model: 'sklearn_iris_logreg_onnx' },
    });
    const config = {
      modelRepository: [folder.dir],
      modelControlMode: 'explicit' as const,
      ...managementConfig(`${folder.dir}/.tokens`),
    };
    await withServer(config, async (_url, { managementPort }) => {
      const found = await session(`http://127.0.0.1:${managementPort}`);
      expect(unlisted(found, TORCHSERVE_DIFFERENCES)).to.deep.equal([]);
      expect(gone(found, TORCHSERVE_DIFFERENCES)).to.deep.equal([]);
    });
  });

  it('the probe is answered alike', async () => {
    const theirs = await send(peer.inference, 'GET /ping');
    using folder = new RepositoryFolder({ v: { model: 'versions' } });
    await withServer({ modelRepository: [folder.dir] }, async (url) => {
      expect(differences(theirs, await send(url, 'GET /ping'), 'GET /ping')).to.deep.equal([]);
    });
  });
});

describe('what differs from TorchServe', () => {
  it('is told in the documentation as the comparison has it', () => {
    expect(isDocumented('TorchServe', TORCHSERVE_DIFFERENCES)).to.equal(true);
  });
});
