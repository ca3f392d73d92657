/** Servers of the bench: each a process of its own, on a port of its own, ready when it answers. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../harness/cluster.ts';
import { pinned } from './cores.ts';
import type { Address } from './load.ts';

const READY_WITHIN_MS = 90_000;
const KILLED_AFTER_MS = 20_000;
/** Of Linux's clock, in which /proc counts CPU time. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

/** A server that runs, its gRPC on the port after that of HTTP. */
export interface BenchServer extends Address {
  /** From the start of the process to its first answer. */
  readonly readyMs: number;
  /** CPU time that it has used, its children with it, in seconds. */
  cpuSeconds(): number;
  /** Resident memory, its children with it. */
  rssBytes(): number;
  stop(): Promise<void>;
}

export interface Launch {
  readonly command: string;
  readonly args: (port: number) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Answers 200 when the server can serve. */
  readonly ready: string;
  /** What it is ended with, for a server that has something to clear away; killed when left out. */
  readonly endWith?: 'SIGTERM' | 'SIGKILL';
}

/**
 * Starts a server, on one core where one is told, and waits until it is ready.
 * @throws Error with the end of the server's own output when it does not become ready
 */
export async function launch(
  { command, args, env, cwd, ready, endWith = 'SIGKILL' }: Launch,
  core?: number,
): Promise<BenchServer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const started = performance.now();
  const child = spawn(...pinned(core, command, args(port)), {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      output = (output + chunk).slice(-2000);
    });
  }
  while (!(await answers(`${url}${ready}`))) {
    if (child.exitCode !== null || performance.now() - started > READY_WITHIN_MS) {
      await stop(child, endWith);
      throw new Error(`${command} is not ready: ${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return {
    url,
    grpc: `127.0.0.1:${port + 1}`,
    readyMs: performance.now() - started,
    cpuSeconds: () => sumOfTree(child.pid as number, cpuOf),
    rssBytes: () => sumOfTree(child.pid as number, rssOf),
    stop: () => stop(child, endWith),
  };
}

const PROGRAM = join(ROOT, 'predictor-runtime/dist/main.js');
/** As the Dockerfile sets it. */
const ENVIRONMENT = {
  NODE_ENV: 'production',
  NODE_COMPILE_CACHE: join(ROOT, 'predictor-runtime/dist/compile-cache'),
  UV_THREADPOOL_SIZE: '16',
};

/** Bundles our own server, and has Node keep its code as it was compiled, as the Dockerfile does. */
export function bundleWherry(): void {
  const env = { ...process.env, ...ENVIRONMENT };
  execFileSync(process.execPath, [join(ROOT, 'predictor-runtime/scripts/bundle.ts')]);
  execFileSync(process.execPath, [PROGRAM, '--help'], { env });
}

/** Our own server, from its bundle. */
export function wherry(...flags: readonly string[]): Launch {
  return {
    command: process.execPath,
    args: (port) => [PROGRAM, `--http_port=${port}`, '--host=127.0.0.1', ...flags],
    env: ENVIRONMENT,
    ready: '/v2/health/ready',
  };
}

/** Bare node:http that reads a body and answers `answer`. */
export function echo(answer: Buffer): Launch {
  const file = join(mkdtempSync(join(tmpdir(), 'wherry-echo-')), 'answer');
  writeFileSync(file, answer);
  return {
    command: process.execPath,
    args: (port) => [join(ROOT, 'e2e/bench/echo.ts'), file, String(port)],
    ready: '/',
  };
}

async function answers(url: string): Promise<boolean> {
  const reply = await fetch(url).catch(() => undefined);
  await reply?.arrayBuffer();
  return reply?.ok ?? false;
}

/** Ports that no server asks the system for: below those that it gives to outgoing connections. */
const PORTS = { from: 20_000, groups: 1500 };
/** As many neighbours as a peer serves other protocols on. */
const NEIGHBOURS = 8;

/** Finds a port that nobody listens on, nor on the seven that follow it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * PORTS.groups) * NEIGHBOURS;
    const group = Array.from({ length: NEIGHBOURS }, (_, i) => isFree(port + i));
    if ((await Promise.all(group)).every(Boolean)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

async function stop(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  process.kill(-(child.pid as number), signal);
  const late = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), KILLED_AFTER_MS);
  await ended;
  clearTimeout(late);
}

/** Adds up over a process and all that it started. */
function sumOfTree(pid: number, of: (pid: string) => number): number {
  const parents = new Map<string, string>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const fields = statOf(name);
    if (fields !== undefined) parents.set(name, fields[1] as string);
  }
  let sum = 0;
  for (const name of parents.keys()) {
    let at: string | undefined = name;
    while (at !== undefined && at !== String(pid)) at = parents.get(at);
    if (at !== undefined) sum += of(name);
  }
  return sum;
}

/** What follows the command's name in /proc/PID/stat: state, parent, … */
function statOf(pid: string): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** Seconds of CPU time that a process has used. */
export function cpuOf(pid: string): number {
  const fields = statOf(pid);
  return (Number(fields?.[11] ?? 0) + Number(fields?.[12] ?? 0)) / TICKS_PER_SECOND;
}

/** Bytes of memory that a process has resident. */
export function rssOf(pid: string): number {
  return Number(statOf(pid)?.[21] ?? 0) * PAGE_BYTES;
}

/** A folder that holds one model, for servers that want it so; gone with the process. */
export function modelFolder(files: Readonly<Record<string, string | Buffer>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-bench-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
  return dir;
}
