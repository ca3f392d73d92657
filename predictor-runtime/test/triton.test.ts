/** The same requests to a real Triton and to this server: what differs is mended, or in the table with its reason. */
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { run } from '../../e2e/harness/shell.ts';
import { startTriton } from '../../e2e/harness/triton.ts';
import {
  type Difference,
  differences,
  gone,
  isDocumented,
  unlisted,
} from '../../e2e/peers/differences.ts';
import { withGrpc } from './grpc-client.ts';
import { type Case, type Compared, compared, steady } from './triton/compared.ts';
import { TRITON_DIFFERENCES } from './triton/differences.ts';
import { GRPC_CASES } from './triton/grpc-cases.ts';
import { LOADED, writeRepositories } from './triton/models.ts';
import { QUEUE_CASES } from './triton/queue-cases.ts';
import { REST_CASES } from './triton/rest-cases.ts';

const { WHERRY_TRITON: python } = process.env;
const CLIENT = fileURLToPath(new URL('triton/client.py', import.meta.url));

/** Runs with both servers, which have the same models. */
async function withBoth(ask: (triton: Compared, wherry: Compared) => Promise<void>): Promise<void> {
  using repositories = writeRepositories();
  const flags = ['--model-control-mode=explicit', ...LOADED.map((name) => `--load-model=${name}`)];
  const triton = await startTriton(python as string, repositories.triton, flags);
  try {
    const config = {
      modelRepository: [repositories.wherry],
      modelControlMode: 'explicit',
      loadModel: LOADED,
      overloadStatus: 503,
      concurrency: 1,
      allowModelCode: true,
    } as const;
    await withGrpc(config, async (_call, { url, port }) => {
      using there = compared(triton.url, triton.grpcPort);
      using here = compared(url, port);
      await ask(there, here);
    });
  } finally {
    await triton.stop();
  }
}

/** Where both answered otherwise, as `title.path`. */
async function compare(
  cases: readonly Case[],
  triton: Compared,
  wherry: Compared,
): Promise<Difference[]> {
  const found: Difference[] = [];
  for (const { title, ask } of cases) {
    const [there, here] = await Promise.all([ask(triton), ask(wherry)]);
    found.push(...differences(steady(there), steady(here), title));
  }
  return found;
}

/** What the clients' methods tell of a server. */
async function clientCases(server: Compared): Promise<Map<string, unknown>> {
  const output = await run(python as string, [
    CLIENT,
    new URL(server.url).host,
    `127.0.0.1:${server.grpcPort}`,
  ]);
  const lines = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return new Map(lines.map(({ title, value }) => [title, value]));
}

async function compareClients(triton: Compared, wherry: Compared): Promise<Difference[]> {
  const [there, here] = await Promise.all([clientCases(triton), clientCases(wherry)]);
  expect([...here.keys()]).to.deep.equal([...there.keys()]);
  return [...there].flatMap(([title, value]) =>
    differences(steady(value), steady(here.get(title)), `tritonclient ${title}`),
  );
}

(python === undefined ? describe.skip : describe)('beside a real Triton', function () {
  this.timeout(180_000);
  const found: Difference[] = [];

  before(() =>
    withBoth(async (triton, wherry) => {
      for (const cases of [REST_CASES, GRPC_CASES, QUEUE_CASES]) {
        found.push(...(await compare(cases, triton, wherry)));
      }
      found.push(...(await compareClients(triton, wherry)));
    }),
  );

  it('answers alike, but for what is listed', () => {
    expect(unlisted(found, TRITON_DIFFERENCES)).to.deep.equal([]);
  });

  it('lists nothing that is alike', () => {
    expect(gone(found, TRITON_DIFFERENCES)).to.deep.equal([]);
  });
});

describe('what differs from Triton', () => {
  it('is told in the documentation as the comparison has it', () => {
    expect(isDocumented('Triton', TRITON_DIFFERENCES)).to.equal(true);
  });
});
