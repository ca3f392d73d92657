/** Runs one predictor process on this machine: its start, port, readiness, reason of its end, and stop. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Path of the runtime's entry: its source beside ours, or its build beside our build. */
const RUNTIME = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts')
      ? '../../../predictor-runtime/src/main.ts'
      : '../../../predictor-runtime/dist/main.js',
    import.meta.url,
  ),
);

/** The pod's container, and who hears how its process fares. */
export interface ProcessOptions {
  /** Arguments of the pod's container; port, address and folder are replaced by the machine's own. */
  readonly args: readonly string[];
  /** Variables beside those of this process. */
  readonly env: Readonly<Record<string, string>>;
  /** Called when `port` or `ready` has changed. */
  readonly onChange: () => void;
  /** Called once when the process has ended, with the message that it left or else its exit code as text. */
  readonly onExit: (exitCode: number, message: string) => void;
}

/** A child process that serves one pod's model over HTTP at 127.0.0.1. */
export class PredictorProcess {
  readonly #options: ProcessOptions;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  /** The folder of the downloaded model and the termination message; it is removed at the end. */
  readonly #dir = mkdtempSync(join(tmpdir(), 'wherry-'));
  #probe: NodeJS.Timeout | undefined;
  /** The HTTP port; undefined before the process listens and after its end. */
  port: number | undefined;
  /** True while the process answers that it is ready for requests. */
  ready = false;

  /** Starts the process. */
  constructor(options: ProcessOptions) {
    this.#options = options;
    const terminationMessage = join(this.#dir, 'termination-log');
    writeFileSync(terminationMessage, '');
    const replaced = /^--(http_port|grpc_port|host|model_dir)=/;
    this.#child = spawn(
      process.execPath,
      [
        RUNTIME,
        // A dollar is written twice, as the kubelet reads arguments.
        ...options.args
          .filter((arg) => !replaced.test(arg))
          .map((arg) => arg.replaceAll('$$', () => '$')),
        ...['--http_port=0', '--host=127.0.0.1', `--model_dir=${this.#dir}`],
      ],
      {
        // A group of its own: Ctrl-C reaches the operator only, which then drains the predictors.
        detached: true,
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, ...options.env, TERMINATION_MESSAGE_PATH: terminationMessage },
      },
    );
    this.#readLog();
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', (code) => {
        this.#end(code ?? 1, terminationMessage);
        resolve();
      });
    });
  }

  /** Sends SIGTERM, and SIGKILL after ten seconds; resolves when the process has ended. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await this.#exited;
    clearTimeout(kill);
  }

  #readLog(): void {
    if (this.#child.stdout === null) return;
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      if (this.port !== undefined || !line.includes('"listening"')) return;
      this.port = (JSON.parse(line) as { port: number }).port;
      this.#options.onChange();
      void this.#check();
    });
  }

  async #check(): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${this.port}/v2/health/ready`, {
      signal: AbortSignal.timeout(5000),
    }).catch(() => undefined);
    await response?.arrayBuffer();
    const ready = response?.ok ?? false;
    if (ready !== this.ready) {
      this.ready = ready;
      this.#options.onChange();
    }
    if (this.#child.exitCode !== null) return;
    this.#probe = setTimeout(() => void this.#check(), ready ? 1000 : 50).unref();
  }

  #end(code: number, terminationMessage: string): void {
    clearTimeout(this.#probe);
    this.ready = false;
    this.port = undefined;
    const message = readFileSync(terminationMessage, 'utf8') || `exit code ${code}`;
    rmSync(this.#dir, { recursive: true, force: true });
    this.#options.onExit(code, message);
  }
}
