/** The server's flags: those that KServe's runtimes take, and a few of its own. */
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';

export interface Config {
  readonly modelName: string;
  readonly modelDir: string;
  /** Fetched into `modelDir` at start when given. */
  readonly storageUri?: string;
  readonly httpPort: number;
  readonly host: string;
  readonly grpcPort?: number;
  readonly maxBodyBytes: number;
  readonly threads: number;
  readonly logLevel: string;
}

/** Parses argv (without node and script); prints help or a usage error and exits where asked or needed. */
export function parseConfig(argv: readonly string[]): Config {
  const command = new Command('predictor')
    .description('Serves one ONNX model over the V2 inference protocol, REST and gRPC.')
    .addOption(option('--model_name <name>', 'name of the model in URLs').makeOptionMandatory())
    .addOption(option('--model_dir <dir>', 'folder of the model').default('/mnt/models'))
    .addOption(
      option('--storage_uri <uri>', 'fetch the model from here: builtin, file, http, https, s3'),
    )
    .addOption(option('--http_port <port>', 'port of the REST API').default(8080).argParser(port))
    .addOption(option('--host <address>', 'address to listen on').default('0.0.0.0'))
    .addOption(
      option('--grpc_port <port>', 'port of gRPC; without it gRPC is not served').argParser(port),
    )
    .addOption(
      option('--max_body_bytes <bytes>', 'largest request body')
        .default(64 << 20)
        .argParser(count),
    )
    .addOption(
      option('--threads <count>', 'threads of one inference')
        .default(availableParallelism())
        .argParser(count),
    )
    .addOption(
      option('--log_level <level>', 'least severe level logged')
        .choices(['error', 'warn', 'info', 'debug'])
        .default('info'),
    )
    .allowExcessArguments(false)
    .addHelpText('after', '\nExample: predictor --model_name iris --model_dir ./models/iris');
  const flags = command.parse(argv, { from: 'user' }).opts();
  return Object.freeze({
    modelName: flags.model_name,
    modelDir: flags.model_dir,
    storageUri: flags.storage_uri,
    httpPort: flags.http_port,
    host: flags.host,
    grpcPort: flags.grpc_port,
    maxBodyBytes: flags.max_body_bytes,
    threads: flags.threads,
    logLevel: flags.log_level,
  });
}

/** An option whose key is its flag as written: KServe's flags have underscores. */
function option(flags: string, description: string): Option {
  return new Option(flags, description);
}

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65535) {
    throw new InvalidArgumentError('expected a port, 0 to 65535.');
  }
  return value;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('expected a whole number of at least 1.');
  }
  return value;
}
