/** Runs the predictor for a test: in this process, or as the process that a pod runs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLogger } from '../src/platform/log.ts';
import { type Config, parseConfig } from '../src/server/config.ts';
import { type PredictorServer, startServer } from '../src/server/server.ts';

/** Starts a server in this process, waits until its model is loaded, and drains it afterwards. */
export async function withServer(
  config: Partial<Config>,
  run: (url: string, server: PredictorServer) => Promise<void>,
  env: Record<string, string> = {},
  log = createLogger('error', { silent: true }),
): Promise<void> {
  const flags = ['--model_name=x', '--http_port=0', '--host=127.0.0.1', '--threads=1'];
  const one = { ...parseConfig(flags), ...config };
  const isRepository = one.modelRepository.length > 0 || one.modelConfigFile !== undefined;
  const server = await startServer({
    config: isRepository ? { ...one, modelName: undefined } : one,
    env,
    log,
  });
  try {
    await server.loaded;
    await run(`http://127.0.0.1:${server.httpPort}`, server);
  } finally {
    await server.drain();
  }
}

export interface Answer {
  readonly status: number;
  // Answers are looked into as the tests expect them to be.
  // biome-ignore lint/suspicious/noExplicitAny: the shape of an answer is what is tested
  readonly json: any;
}

/** GET, or POST where there is a body. */
export async function call(url: string, body?: object | string): Promise<Answer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const reply = await fetch(url, body === undefined ? {} : { method: 'POST', body: text });
  const answer = await reply.text();
  return { status: reply.status, json: answer === '' ? undefined : JSON.parse(answer) };
}

/** Until `check` gives something, for 10 s at most. */
export async function eventually<T>(check: () => Promise<T | undefined | false>): Promise<T> {
  for (let i = 0; i < 500; i++) {
    const found = await check();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`not within 10 s: ${check}`);
}

export interface RunningPredictor {
  readonly child: ChildProcess;
  /** Resolves with the URL once the process listens. */
  readonly url: Promise<string>;
  /** Resolves with the URL once the process, one of a pool, waits for a model. */
  readonly waiting: Promise<string>;
  /** The port of gRPC, likewise; undefined when it is not served. */
  readonly grpcPort: Promise<number | undefined>;
  /** Resolves with the exit code. */
  readonly exit: Promise<number | null>;
  /** What Kubernetes would show as the container's termination message. */
  terminationMessage(): string;
}

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/**
 * Starts `predictor` with these arguments on a free port, and kills it afterwards if need be.
 * @param program its sources' or its bundle's
 */
export async function withPredictor(
  args: readonly string[],
  run: (predictor: RunningPredictor) => Promise<void>,
  program = MAIN,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-test-'));
  const message = join(dir, 'termination-log');
  writeFileSync(message, '');
  const child = spawn(process.execPath, [program, '--http_port=0', '--host=127.0.0.1', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TERMINATION_MESSAGE_PATH: message },
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const logged = (message: string) =>
    new Promise<{ port: number; grpcPort?: number }>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        const line = chunk
          .toString()
          .split('\n')
          .find((text) => text.includes(`"${message}"`));
        if (line !== undefined) resolve(JSON.parse(line));
      });
    });
  const listening = logged('listening');
  const urlOf = ({ port }: { port: number }) => `http://127.0.0.1:${port}`;
  const url = listening.then(urlOf);
  const waiting = logged('waiting for a model').then(urlOf);
  const grpcPort = listening.then((ports) => ports.grpcPort);
  try {
    await run({
      child,
      url,
      waiting,
      grpcPort,
      exit,
      terminationMessage: () => readFileSync(message, 'utf8'),
    });
  } finally {
    child.kill('SIGKILL');
    await exit;
    rmSync(dir, { recursive: true });
  }
}
