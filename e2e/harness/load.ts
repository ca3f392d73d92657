/**
 * A load of a fixed rate on one URL, sent over a few keep-alive connections, that keeps the fate of every request.
 * Bounded in time by its caller; the address is always one of the test's own.
 */
import { Agent, request } from 'node:http';

export interface Outcome {
  /** Milliseconds since the start. */
  readonly at: number;
  /** HTTP status; 0 when the connection failed. */
  readonly status: number;
  /** Revision that answered, by the router's header. */
  readonly revision: string;
  readonly error?: string;
}

export interface LoadOptions {
  readonly url: string;
  readonly host?: string;
  readonly body: string;
  /** Requests a second. */
  readonly rate: number;
}

export class Load {
  readonly #options: LoadOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 50 });
  readonly #pending = new Set<Promise<void>>();
  readonly #started = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #sent = 0;
  readonly outcomes: Outcome[] = [];

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#tick(), 5);
  }

  get failures(): Outcome[] {
    return this.outcomes.filter(({ status }) => status !== 200);
  }

  /** Share of each revision among the answers since `from` (milliseconds after the start), in percent. */
  shares(from = 0): Record<string, number> {
    const answers = this.outcomes.filter(({ at, status }) => at >= from && status === 200);
    const counts: Record<string, number> = {};
    for (const { revision } of answers) counts[revision] = (counts[revision] ?? 0) + 1;
    return Object.fromEntries(
      Object.entries(counts).map(([revision, n]) => [revision, (100 * n) / answers.length]),
    );
  }

  /** Milliseconds since the start. */
  get now(): number {
    return performance.now() - this.#started;
  }

  /** Sends no more and waits for what is under way. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
    this.#agent.destroy();
  }

  #tick(): void {
    const due = Math.floor((this.now * this.#options.rate) / 1000);
    // After a stall of this process the missed requests are not sent at once: that would be another load.
    this.#sent = Math.max(this.#sent, due - 10);
    for (; this.#sent < due; this.#sent++) {
      const pending = this.#send().then(() => {
        this.#pending.delete(pending);
      });
      this.#pending.add(pending);
    }
  }

  #send(): Promise<void> {
    const { url, host, body } = this.#options;
    const at = this.now;
    return new Promise((resolve) => {
      const done = (outcome: Omit<Outcome, 'at'>) => {
        this.outcomes.push({ at, ...outcome });
        resolve();
      };
      const fail = (error: Error) => done({ status: 0, revision: '', error: error.message });
      const req = request(url, {
        method: 'POST',
        agent: this.#agent,
        headers: { 'content-length': Buffer.byteLength(body), ...(host ? { host } : {}) },
        timeout: 20_000,
      });
      req.on('response', (res) => {
        const revision = String(res.headers['x-wherry-revision'] ?? '');
        let text = '';
        res.on('data', (chunk: Buffer) => {
          text += chunk;
        });
        res.on('end', () =>
          done({
            status: res.statusCode ?? 0,
            revision,
            ...(res.statusCode === 200 ? {} : { error: text }),
          }),
        );
        res.on('error', fail);
      });
      req.on('timeout', () => req.destroy(new Error('no answer in 20 s')));
      req.on('error', (error: NodeJS.ErrnoException) => {
        // The server closed a kept connection just as we took it: no HTTP client counts that as a failure.
        if (req.reusedSocket && error.code === 'ECONNRESET') {
          this.#pending.add(this.#send().then(resolve));
        } else fail(error);
      });
      req.end(body);
    });
  }
}

/** Waits until `check` gives something truthy, and returns it. @throws Error with the last failure after `seconds`. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  seconds = 60,
): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const result = await check();
      if (result) return result;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`not within ${seconds} s: ${what}${last ? ` (${(last as Error).message})` : ''}`);
}
