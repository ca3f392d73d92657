/** The predictor's process: flags → server → signals. */
import { writeFileSync } from 'node:fs';
import { createLogger } from './platform/log.ts';
import { parseConfig } from './server/config.ts';
import { type PredictorServer, startServer } from './server/server.ts';

const config = parseConfig(process.argv.slice(2));
const log = createLogger(config.logLevel);

/** Writes the container's last message, which Kubernetes shows; elsewhere nothing is written. */
function terminationMessage(message: string): void {
  const path = process.env.TERMINATION_MESSAGE_PATH ?? '/dev/termination-log';
  try {
    writeFileSync(path, message.slice(0, 4096), { flag: 'r+' });
  } catch {
    // No such file outside a container.
  }
}

function fail(message: string, error: unknown): never {
  const reason = (error as Error).message;
  log.error(message, { reason });
  terminationMessage(reason);
  process.exit(1);
}

async function start(): Promise<PredictorServer> {
  const options = { config, env: process.env, log };
  if (config.poolAuthority === undefined) return startServer(options);
  const { startFromPool } = await import('./server/pool.ts');
  return startFromPool(options);
}

async function main(): Promise<void> {
  let server: PredictorServer | undefined;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, async () => {
      log.info('draining', { signal });
      await server?.drain();
      log.info('drained');
      process.exit(0);
    });
  }
  server = await start().catch((error) => fail('server did not start', error));
  await server.loaded.catch((error) => fail('model did not load', error));
}

void main();
