/** The program of an executor's process: loads one model and runs it until its owner is gone. */
import { RowError } from '../protocol/errors.ts';
import type { ExecutorError } from './executor.ts';
import { type FromExecutor, fromClone, type ToExecutor } from './executor-messages.ts';
import { InlineExecutor } from './inline-executor.ts';

const running = new Map<number, AbortController>();
let executor: InlineExecutor | undefined;

function send(message: FromExecutor): void {
  // The owner may be gone; then there is nobody to tell.
  if (process.connected) process.send?.(message);
}

async function load(options: Parameters<typeof InlineExecutor.start>[0]): Promise<void> {
  try {
    // A run must not block this event loop, which has to hear of cancellations.
    executor = await InlineExecutor.start(options, false);
    const { platform, inputs, outputs, tabular } = executor.signature;
    const signature = { platform, inputs, outputs, tabular };
    const { explains, parallelRuns } = executor;
    send({ kind: 'loaded', signature, explains, parallelRuns });
  } catch (error) {
    send({ kind: 'not loaded', message: (error as Error).message });
  }
}

async function run(request: Extract<ToExecutor, { kind: 'run' }>): Promise<void> {
  const { id, inputs, outputs, method } = request;
  const controller = new AbortController();
  running.set(id, controller);
  try {
    if (executor === undefined) throw new Error('run before load');
    const { signal } = controller;
    const results = await executor.execute(inputs.map(fromClone), outputs, { signal, method });
    send({ kind: 'done', id, outputs: results });
  } catch (error) {
    if (error instanceof RowError) {
      const { row, problem } = error;
      return send({ kind: 'refused', id, row, problem });
    }
    const { failure = 'failed', message } = error as ExecutorError;
    send({ kind: 'failed', id, failure, message });
  } finally {
    running.delete(id);
  }
}

process.on('message', (message: ToExecutor) => {
  switch (message.kind) {
    case 'load':
      void load(message.options);
      break;
    case 'run':
      void run(message);
      break;
    case 'cancel':
      running.get(message.id)?.abort();
      break;
  }
});
// A native run would keep the process alive when its owner is gone.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// The owner ends this process when it has drained; a terminal's Ctrl-C reaches the whole group.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
