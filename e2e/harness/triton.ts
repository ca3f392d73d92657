/** A real Triton Inference Server with its Python backend: the binary that the package nvidia-pytriton carries. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { eventually } from './load.ts';
import { run } from './shell.ts';

/** What its environment holds; its clients come with it. */
export const TRITON_PACKAGES = ['nvidia-pytriton==0.7.0'] as const;

/** Paths and versions of a Python. */
interface PythonFacts {
  readonly version: string;
  readonly packages: string;
  readonly library: string;
}

const FACTS = `import json, sys, sysconfig
print(json.dumps({
  "version": "%d.%d" % sys.version_info[:2],
  "packages": sysconfig.get_path("purelib"),
  "library": sysconfig.get_config_var("LIBDIR"),
}))`;

/** A server that runs. */
export interface RunningTriton {
  readonly url: string;
  readonly grpcPort: number;
  readonly metricsUrl: string;
  stop(): Promise<void>;
}

/**
 * Starts the server with a model repository, and waits until it is ready.
 * @param python the interpreter of an environment with `TRITON_PACKAGES`
 * @throws Error with the end of the server's log.
 */
export async function startTriton(
  python: string,
  repository: string,
  flags: readonly string[] = [],
): Promise<RunningTriton> {
  const { command, args, env, backends } = await tritonProgram(python, repository);
  const [http = 0, grpc = 0, metrics = 0] = await freePorts(3);
  const child = spawn(command, [...args({ http, grpc, metrics }), ...flags], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = lastOutput(child);
  const url = `http://127.0.0.1:${http}`;
  const stop = async () => {
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    rmSync(backends, { recursive: true, force: true });
  };
  try {
    await eventually(
      'Triton is ready',
      async () => {
        if (child.exitCode !== null) throw new Error(`Triton ended with ${child.exitCode}`);
        return (await fetch(`${url}/v2/health/ready`)).ok;
      },
      60,
    );
  } catch (error) {
    await stop();
    throw new Error(`${(error as Error).message}\n${log()}`, { cause: error });
  }
  return { url, grpcPort: grpc, metricsUrl: `http://127.0.0.1:${metrics}/metrics`, stop };
}

/** Ports of a Triton, by what they serve. */
interface TritonPorts {
  readonly http: number;
  readonly grpc: number;
  readonly metrics: number;
}

/** How a Triton is started; its folder of backends is the caller's to remove. */
export interface TritonProgram {
  readonly command: string;
  args(ports: TritonPorts): string[];
  readonly env: Readonly<Record<string, string>>;
  readonly backends: string;
}

/**
 * Returns how to start a Triton with a model repository on loopback.
 * @param python the interpreter of an environment with `TRITON_PACKAGES`
 */
export async function tritonProgram(python: string, repository: string): Promise<TritonProgram> {
  const facts: PythonFacts = JSON.parse(await run(python, ['-c', FACTS]));
  const backends = backendsOf(facts);
  return {
    command: join(facts.packages, 'pytriton/tritonserver/bin/tritonserver'),
    args: ({ http, grpc, metrics }) => [
      `--model-repository=${repository}`,
      `--backend-directory=${backends}`,
      ...['--http-address=127.0.0.1', `--http-port=${http}`],
      ...['--grpc-address=127.0.0.1', `--grpc-port=${grpc}`],
      ...['--metrics-address=127.0.0.1', `--metrics-port=${metrics}`],
    ],
    env: environmentOf(python, facts),
    backends,
  };
}

/** Makes a folder of backends whose Python backend has the program for this version of Python. */
function backendsOf({ packages, version }: PythonFacts): string {
  const server = join(packages, 'pytriton/tritonserver');
  const stub = join(server, 'python_backend_stubs', version, 'triton_python_backend_stub');
  if (!existsSync(stub)) throw new Error(`Triton's Python backend has no program for ${version}`);
  const dir = mkdtempSync(join(tmpdir(), 'triton-backends-'));
  cpSync(join(server, 'backends/python'), join(dir, 'python'), { recursive: true });
  copyFileSync(stub, join(dir, 'python/triton_python_backend_stub'));
  return dir;
}

function environmentOf(python: string, { packages, library }: PythonFacts) {
  return {
    VIRTUAL_ENV: join(dirname(python), '..'),
    PATH: `${dirname(python)}:${process.env.PATH}`,
    PYTHONPATH: packages,
    PYTHONDONTWRITEBYTECODE: '1',
    LD_LIBRARY_PATH: [library, join(packages, 'nvidia_pytriton.libs')].join(':'),
  };
}

/** Returns what tells the last lines that a process wrote. */
function lastOutput(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      text = (text + chunk).slice(-4000);
    });
  }
  return () => text;
}

/** Finds ports that nobody listens on now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
