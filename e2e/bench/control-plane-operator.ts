/** The operator of the control-plane bench: the program that the image runs, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../harness/cluster.ts';
import { eventually } from '../harness/load.ts';
import { run } from '../harness/shell.ts';
import { SYSTEM } from './control-plane-cluster.ts';
import { cpuOf, rssOf } from './servers.ts';

export const XDS_PORT = 18_013;
const METRICS_PORT = 19_090;
/** Milliseconds of one look at whether the operator works. */
const LOOK_MS = 500;
/** CPU milliseconds within a look up to which it does not: it renews its lease and hears load reports. */
const IDLE_CPU_MS = 40;
/** Looks in a row without work after which it is quiet. */
const QUIET_LOOKS = 3;
const QUIET_WITHIN_MS = 120_000;

export interface BenchOperatorOptions {
  readonly kubeConfig: string;
  /** Folder for CPU profiles of every run of the process; none are made without it. */
  readonly profiles?: string;
}

export class BenchOperator {
  readonly #dir = mkdtempSync(join(tmpdir(), 'wherry-operator-'));
  readonly #profiles: string | undefined;
  #process: ChildProcess | undefined;

  constructor({ kubeConfig, profiles }: BenchOperatorOptions) {
    this.#profiles = profiles;
    writeFileSync(join(this.#dir, 'kubeconfig'), kubeConfig, { mode: 0o600 });
  }

  /** Bundles the operator as its image does. */
  static async build(): Promise<void> {
    await run(process.execPath, [join(ROOT, 'operator/scripts/bundle.ts')]);
  }

  /** Starts the process; resolves when its caches are full. */
  async start(): Promise<void> {
    const log = openSync(join(this.#dir, 'log'), 'a');
    const profile = this.#profiles
      ? ['--cpu-prof', '--cpu-prof-interval=4000', `--cpu-prof-dir=${this.#profiles}`]
      : [];
    const program = [...profile, ...entrypoint(), 'controller'];
    const ports = [`--xds-port=${XDS_PORT}`, `--metrics-port=${METRICS_PORT}`];
    this.#process = spawn(process.execPath, [...program, `--namespace=${SYSTEM}`, ...ports], {
      env: {
        ...process.env,
        ...environment(),
        KUBECONFIG: join(this.#dir, 'kubeconfig'),
        POD_NAME: 'wherry-operator-bench',
      },
      stdio: ['ignore', log, log],
    });
    await eventually('the operator is ready', async () => {
      this.#check();
      return (await fetch(`http://127.0.0.1:${METRICS_PORT}/readyz`)).ok;
    });
  }

  /** Ends the process as Kubernetes does. */
  async stop(): Promise<void> {
    const process_ = this.#process;
    if (process_ === undefined || process_.exitCode !== null) return;
    const ended = once(process_, 'exit');
    process_.kill('SIGTERM');
    await ended;
  }

  /** Removes what the process has left. */
  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.#dir, { recursive: true });
  }

  /** Milliseconds of CPU time that the process has used, all its threads together. */
  cpuMs(): number {
    this.#check();
    return cpuOf(this.#pid()) * 1000;
  }

  rssMb(): number {
    return rssOf(this.#pid()) / 1e6;
  }

  /** The 99th percentile of the delay since the last call, of the thread with the larger one. */
  async loopDelayP99Ms(): Promise<number> {
    const values = await this.#metric('wherry_loop_delay_p99_seconds');
    return Math.max(...values) * 1000;
  }

  /** Waits until nothing is to be reconciled and next to no CPU is used. @throws Error after two minutes. */
  async quiet(): Promise<void> {
    const deadline = performance.now() + QUIET_WITHIN_MS;
    for (let quiet = 0; quiet < QUIET_LOOKS; ) {
      if (performance.now() > deadline) throw new Error('the operator does not come to rest');
      const before = this.cpuMs();
      await sleep(LOOK_MS);
      quiet = this.cpuMs() - before <= IDLE_CPU_MS ? quiet + 1 : 0;
    }
    const [waiting] = await this.#metric('wherry_queue_length');
    if (waiting !== 0) throw new Error(`the operator rests with ${waiting} keys in its queue`);
  }

  /** The values of a metric with any labels. @throws Error when it is not told. */
  async #metric(name: string): Promise<number[]> {
    const text = await (await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)).text();
    const lines = text.split('\n').filter((line) => new RegExp(`^${name}[ {]`).test(line));
    if (lines.length === 0) throw new Error(`the operator tells no ${name}`);
    return lines.map((line) => Number(line.split(' ').at(-1)));
  }

  #pid(): string {
    return String(this.#process?.pid);
  }

  /** @throws Error with the end of its log when the process has ended. */
  #check(): void {
    const code = this.#process?.exitCode;
    if (code === null) return;
    const log = readFileSync(join(this.#dir, 'log'), 'utf8').slice(-3000);
    throw new Error(`the operator ended with ${code}:\n${log}`);
  }
}

/** Node's options and the program, as the image runs it. */
function entrypoint(): string[] {
  const [, ...args] = JSON.parse(instruction('ENTRYPOINT')) as string[];
  return args.map((arg) => arg.replace(/^\/app\//, ROOT));
}

/** The environment variables of the image. */
function environment(): Record<string, string> {
  const pairs = instruction('ENV').split(' ');
  return Object.fromEntries(pairs.map((pair) => pair.split('=') as [string, string]));
}

/** The arguments of an instruction in the image's Dockerfile. */
function instruction(name: string): string {
  const dockerfile = readFileSync(join(ROOT, 'operator/Dockerfile'), 'utf8');
  const [, text] = new RegExp(`^${name} (.*)$`, 'm').exec(dockerfile) ?? [];
  if (text === undefined) throw new Error(`operator/Dockerfile has no ${name}`);
  return text;
}
