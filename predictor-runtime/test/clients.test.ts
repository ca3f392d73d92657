/** Clients that others wrote, unchanged, and a tool that looks for faults by the server's own description. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { withGrpc } from './grpc-client.ts';
import { RepositoryFolder } from './repository-folder.ts';

const { WHERRY_PYTHON: python } = process.env;
const script = (name: string) => fileURLToPath(new URL(`clients/${name}`, import.meta.url));
const iris = fileURLToPath(new URL('../models/iris', import.meta.url));

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(python as string, [...args], { timeout: 100_000 }, (error, stdout, stderr) =>
      resolve(error === null ? stdout : `${stdout}${stderr}`),
    );
  });
}

(python === undefined ? describe.skip : describe)('real clients', function () {
  this.timeout(120_000);

  it("Triton's, over HTTP and gRPC", async () => {
    using folder = new RepositoryFolder({
      add_two: { model: 'add_two' },
      dtypes_identity: { model: 'dtypes_identity' },
    });
    const config = {
      modelRepository: [folder.dir],
      modelControlMode: 'explicit',
      loadModel: ['*'],
    } as const;
    await withGrpc(config, async (_call, { url, port }) => {
      const output = await run([
        script('triton_client.py'),
        new URL(url).host,
        `127.0.0.1:${port}`,
      ]);
      expect(output.trim()).to.equal('ok');
    });
  });

  it("KServe's, over V1, V2 and gRPC", async () => {
    await withGrpc({ modelName: 'iris', modelDir: iris }, async (_call, { url, port }) => {
      const output = await run([
        script('kserve_client.py'),
        new URL(url).host,
        `127.0.0.1:${port}`,
      ]);
      expect(output.trim().split('\n').at(-1), output).to.equal('ok');
    });
  });

  it('schemathesis, by the OpenAPI description of the loaded models', async () => {
    using folder = new RepositoryFolder({
      add_two: { model: 'add_two' },
      dtypes_identity: { model: 'dtypes_identity' },
    });
    await withGrpc({ modelRepository: [folder.dir] }, async (_call, { url }) => {
      const page = await (await fetch(`${url}/docs`)).text();
      expect(page).to.contain('<h2>add_two</h2>').and.to.contain('<td>INT32<td>[-1,4]');
      const output = await run([
        '-m',
        'schemathesis.cli',
        'run',
        `${url}/openapi.json`,
        '--checks=not_a_server_error,status_code_conformance,response_schema_conformance,content_type_conformance',
        '--max-examples=60',
        '--seed=1',
        '--no-color',
      ]);
      expect(output, output.slice(-4000)).to.match(/(\d{3,}) generated, \1 passed\n/);
    });
  });
});
