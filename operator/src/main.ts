/** argv → `local` | `controller` | `plan`; the only file that reads process.*. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { startLocal } from './local/local.ts';
import { createLogger } from './log.ts';

const program = new Command('wherry').description(
  'Model serving on Kubernetes with the InferenceService API, and on a laptop without one.',
);

program
  .command('local')
  .description('serve InferenceServices on this machine, with no cluster')
  .option('-f, --file <file...>', 'YAML files to serve; saved changes apply at once', [
    'config/samples/iris.yaml',
  ])
  .addOption(new Option('--port <port>', 'port to listen on').default(8080).argParser(port))
  .addOption(logLevel().default('warn'))
  .addHelpText('after', '\nExample: npm start -- -f iris.yaml -f canary.yaml --port 9000')
  .action(async ({ file, port: wanted, logLevel: level }) => {
    const log = createLogger(level, process.stderr.isTTY ? 'text' : 'json');
    const local = await startLocal({ files: file, port: wanted, log, print: console.log }).catch(
      (error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE';
        console.error(taken ? `port ${wanted} is taken: choose another with --port` : error.message);
        process.exit(1);
      },
    );
    console.log(`listening on http://localhost:${local.port}; Ctrl-C ends it`);
    onSignal(() => local.stop());
  });

function logLevel(): Option {
  return new Option('--log-level <level>', 'least severe level logged').choices([
    'error',
    'warn',
    'info',
    'debug',
  ]);
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65535) {
    throw new InvalidArgumentError('expected a port, 0 to 65535.');
  }
  return value;
}

/** Runs `stop` at the first SIGINT or SIGTERM and then ends the process. */
function onSignal(stop: () => Promise<void>): void {
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, async () => {
      if (stopping) return;
      stopping = true;
      await stop();
      process.exit(0);
    });
  }
}

await program.parseAsync();
