/** A real TorchServe: its frontend in Java, its workers in Python, and archives for it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type BenchServer, freePort, launch } from '../bench/servers.ts';
import { run } from '../harness/shell.ts';

/** Packages of the environment whose Python `WHERRY_TORCHSERVE` tells. */
export const TORCHSERVE = ['torchserve==0.12.0', 'torch-model-archiver==0.12.0', 'pyyaml==6.0.4'];

/** A handler that any worker can run: what is compared is how models are managed. */
const HANDLER = `
class Echo:
    def initialize(self, context):
        self.initialized = True

    def handle(self, data, context):
        return ["an answer"] * len(data)
`;

/**
 * Workers import torch, only to tell tensors among answers. The handler gives none, so that this much stands for
 * gigabytes.
 */
const TORCH = `
class Tensor:
    pass
`;

/** A TorchServe, with the URLs of its two APIs. */
export interface TorchServe {
  readonly inference: string;
  readonly management: string;
  stop(): Promise<void>;
}

/**
 * Starts TorchServe, with archives `NAME-VERSION.mar` for each of the versions and nothing registered.
 * @param python interpreter of the environment with `TORCHSERVE`
 * @throws Error with the end of its output when it does not start
 */
export async function startTorchServe(
  python: string,
  archives: readonly { name: string; version: string }[],
): Promise<TorchServe> {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-torchserve-'));
  const bin = dirname(python);
  const store = join(dir, 'store');
  mkdirSync(store);
  const modules = writeTorch(dir);
  const handler = join(dir, 'handler.py');
  writeFileSync(handler, HANDLER);
  for (const { name, version } of archives) {
    const made = `${name}-${version}`;
    await run(join(bin, 'torch-model-archiver'), [
      ...['--model-name', made, '--version', version, '--handler', handler],
      ...['--export-path', store],
    ]);
  }
  const env = { PATH: `${bin}:${process.env.PATH}`, PYTHONPATH: modules, TMPDIR: dir };
  const server = await startIn(dir, { bin, store, env });
  return {
    ...server,
    async stop() {
      await server.stop();
      // Its processes were killed, and may end a moment later than the first of them.
      rmSync(dir, { recursive: true, maxRetries: 5 });
    },
  };
}

/** Writes what stands for torch under a folder, and returns the path for `PYTHONPATH`. */
export function writeTorch(dir: string): string {
  const modules = join(dir, 'modules');
  mkdirSync(modules);
  writeFileSync(join(modules, 'torch.py'), TORCH);
  return modules;
}

interface Circumstances {
  readonly bin: string;
  readonly store: string;
  readonly env: Readonly<Record<string, string>>;
}

async function startIn(dir: string, { bin, store, env }: Circumstances): Promise<TorchServe> {
  const ports = await Promise.all(Array.from({ length: 4 }, freePort));
  const config = join(dir, 'config.properties');
  const flags = ['--start', '--foreground', '--ncs', '--disable-token-auth', '--enable-model-api'];
  const server: BenchServer = await launch({
    command: join(bin, 'torchserve'),
    args: (port) => {
      const [inference, metrics, grpcInference, grpcManagement] = ports;
      writeFileSync(
        config,
        `inference_address=http://127.0.0.1:${inference}
management_address=http://127.0.0.1:${port}
metrics_address=http://127.0.0.1:${metrics}
grpc_inference_port=${grpcInference}
grpc_management_port=${grpcManagement}
`,
      );
      return [...flags, '--model-store', store, '--ts-config', config];
    },
    env,
    cwd: dir,
    ready: '/models',
  });
  return {
    inference: `http://127.0.0.1:${ports[0]}`,
    management: server.url,
    stop: () => server.stop(),
  };
}
