/** The server's flags: those that KServe's, Triton's and TensorFlow Serving's servers take, and a few of its own. */
import { Command, Option } from 'commander';
import type { Provider } from '../engine/onnx/provider-choice.ts';
import { containerCpus, containerMemory } from '../platform/container.ts';
import type { Placement } from '../serving/repository/model-config.ts';
import type { ControlMode } from '../serving/repository/repository.ts';
import { LATEST, type VersionPolicy } from '../serving/repository/version-policy.ts';
import type { TransitionPolicy } from '../serving/transition.ts';
import type { AccessOptions } from '../transport/access/gate.ts';
import type { TlsFiles } from '../transport/access/tls.ts';
import type { OverloadStatus } from '../transport/call.ts';
import {
  address,
  count,
  count0,
  labels,
  MAX_QUEUE,
  MIN_QUEUE,
  overloadStatus,
  PROVIDER_NAMES,
  policy,
  port,
  positive,
  positive0,
  providers,
  queueSizeFor,
} from './flag-values.ts';

/** Values of the flags, by their names in camel case; those of access and of TLS are grouped. */
export interface Config {
  /** Name of the one model; undefined when `modelRepository` or `modelConfigFile` says which models there are. */
  readonly modelName?: string;
  readonly modelDir: string;
  readonly modelRepository: readonly string[];
  readonly modelConfigFile?: string;
  /** URI that the one model is fetched from at start, into `modelDir`; undefined when it lies there already. */
  readonly storageUri?: string;
  readonly modelControlMode: ControlMode;
  readonly loadModel: readonly string[];
  readonly repositoryPollSecs: number;
  readonly versionPolicy: VersionPolicy;
  readonly versionLabels: Readonly<Record<string, number>>;
  readonly transitionPolicy: TransitionPolicy;
  readonly modelLoadThreadCount: number;
  /** Memory that all models together may take, in bytes; 0 is no limit. */
  readonly memoryLimitBytes: number;
  readonly httpPort: number;
  readonly host: string;
  readonly grpcPort?: number;
  readonly maxBodyBytes: number;
  readonly executor: Placement;
  readonly workers: number;
  readonly threads: number;
  readonly concurrency: number;
  /** Most requests of all models that run at once; 0 is no limit. */
  readonly containerConcurrency: number;
  readonly executionProviders: readonly Provider[];
  readonly optimizedModelDir?: string;
  readonly maxBatchSize: number;
  readonly maxBatchDelayMs: number;
  readonly queueSize: number;
  readonly queueBytes: number;
  /** Number of priorities, 1 being the most urgent; 0 is none. */
  readonly priorityLevels: number;
  readonly overloadStatus: OverloadStatus;
  /** Timeout of requests that name none, in ms; 0 is none. */
  readonly requestTimeoutMs: number;
  readonly responseCache: boolean;
  readonly responseCacheBytes: number;
  readonly logLevel: string;
  readonly logRequests: boolean;
  readonly allowModelCode: boolean;
  readonly managementPort?: number;
  readonly managementHost: string;
  readonly managementTokenFile?: string;
  /** Beginnings of storage URIs that the management API may fetch from. */
  readonly allowedUri: readonly string[];
  readonly access: AccessOptions;
  readonly tls?: TlsFiles;
  readonly corsAllowOrigin: readonly string[];
  readonly pluginsDir?: string;
  /** Certificates (PEM) of the authorities whose operators may assign a model to this server; undefined where none may. */
  readonly poolAuthority?: string;
  /** UID of the pod that this server runs in, which an assignment has to name. */
  readonly podUid?: string;
}

/** Share of the container's memory that models may take; the rest is the server's. */
const MODEL_SHARE = 0.8;

/** Parses the arguments without node and script. Prints help or a usage error and exits where asked or needed. */
export function parseConfig(argv: readonly string[]): Config {
  const command = new Command('predictor')
    .description(
      'Serves ONNX, XGBoost, LightGBM and scikit-learn models over the V2 and V1 inference protocols, REST and gRPC.',
    )
    .allowExcessArguments(false)
    .addHelpText(
      'after',
      '\nExamples:\n  predictor --model_name iris --model_dir ./models/iris\n  predictor --model_repository ./models --model_control_mode poll',
    );
  for (const flag of [
    ...modelFlags(),
    ...serverFlags(),
    ...accessFlags(),
    ...engineFlags(),
    ...queueFlags(),
  ])
    command.addOption(flag);
  const flags = command.parse(argv, { from: 'user' }).opts();
  const { model_name, model_repository, model_config_file, pool_authority } = flags;
  const sources = [model_name, model_repository[0], model_config_file, pool_authority];
  if (sources.filter((source) => source !== undefined).length !== 1) {
    command.error(
      'error: give one of --model_name, --model_repository, --model_config_file and --pool_authority',
    );
  }
  if ((pool_authority === undefined) !== (flags.pod_uid === undefined)) {
    command.error('error: --pool_authority and --pod_uid go together');
  }
  if ((flags.tls_cert === undefined) !== (flags.tls_key === undefined)) {
    command.error('error: --tls_cert and --tls_key go together');
  }
  if (flags.management_port !== undefined && flags.management_token_file === undefined) {
    command.error('error: --management_port needs --management_token_file');
  }
  const access = {
    tokenFile: flags.token_file,
    jwks: flags.jwks,
    issuer: flags.jwt_issuer,
    audience: flags.jwt_audience,
  };
  flags.queue_size ??= queueSizeFor(flags.container_concurrency);
  const named = Object.entries(flags).map(([flag, value]) => [camelCase(flag), value]);
  return Object.freeze({ ...Object.fromEntries(named), access, tls: tlsFiles(flags) });
}

/** Translates a flag's name: `http_port` → `httpPort`. */
function camelCase(flag: string): string {
  return flag.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function modelFlags(): Option[] {
  return [
    option('--model_name <name>', 'name of the one model, in URLs'),
    option('--model_dir <dir>', 'folder of the one model').default('/mnt/models'),
    option('--storage_uri <uri>', 'fetch that model from here, into the folder'),
    option(
      '--pool_authority <pem>',
      'start without a model, and take one that an operator of this authority assigns',
    ),
    option('--pod_uid <uid>', 'UID of this pod, which the assignment must name'),
    option('--model_repository <dir>', 'folder whose folders are models; may be given again')
      .default([])
      .argParser(append),
    option('--model_config_file <file>', "TensorFlow Serving's list of models"),
    option('--model_control_mode <mode>', 'load at start, by looking for changes, or by API')
      .choices(['none', 'poll', 'explicit'])
      .default('none'),
    option('--load_model <name>', 'load at start in mode explicit; * is all; may be given again')
      .default([])
      .argParser(append),
    option('--repository_poll_secs <seconds>', 'between two looks in mode poll')
      .default(15)
      .argParser(positive),
    option('--version_policy <policy>', 'latest, latest:N, all or specific:N,…')
      .default(LATEST, 'latest')
      .argParser(policy),
    option('--version_labels <labels>', 'names of versions, as stable=3,canary=4')
      .default({})
      .argParser(labels),
    option('--transition_policy <policy>', 'load before unloading, or the other way round')
      .choices(['availability', 'resource'])
      .default('availability'),
    option('--model_load_thread_count <count>', 'models loaded at a time')
      .default(4)
      .argParser(count),
    option('--memory_limit_bytes <bytes>', 'of all models together; 0 is no limit')
      .default(containerMemory() * MODEL_SHARE, `${MODEL_SHARE} of the container's limit`)
      .argParser(count0),
  ];
}

function serverFlags(): Option[] {
  return [
    option('--http_port <port>', 'port of the REST API').default(8080).argParser(port),
    option('--host <address>', 'address to listen on').default('0.0.0.0').argParser(address),
    option('--grpc_port <port>', 'port of gRPC; without it gRPC is not served').argParser(port),
    option('--max_body_bytes <bytes>', 'largest request body')
      .default(128 << 20)
      .argParser(count),
    option('--log_requests', 'a line in the log for each inference').default(false),
    option('--log_level <level>', 'least severe level logged')
      .choices(['error', 'warn', 'info', 'debug'])
      .default('info'),
  ];
}

function accessFlags(): Option[] {
  return [
    option(
      '--management_port <port>',
      'port of the management API; without it there is none',
    ).argParser(port),
    option('--management_host <address>', 'address of the management API')
      .default('127.0.0.1')
      .argParser(address),
    option('--management_token_file <file>', 'tokens of the management API, a line each'),
    option(
      '--allowed_uri <prefix>',
      'storage that the management API may fetch from; may be given again',
    )
      .default([])
      .argParser(append),
    option('--token_file <file>', 'bearer tokens of callers, a line each'),
    option('--jwks <file or url>', "keys that sign callers' JSON web tokens"),
    option('--jwt_issuer <issuer>', 'issuer that a token must name'),
    option('--jwt_audience <audience>', 'audience that a token must name'),
    option('--tls_cert <file>', 'certificate of the server, PEM; REST and gRPC are then encrypted'),
    option('--tls_key <file>', 'its key, PEM'),
    option('--tls_client_ca <file>', 'authorities of the certificates that clients must have'),
    option(
      '--cors_allow_origin <origin>',
      'origin of pages that may call; * is all; may be given again',
    )
      .default([])
      .argParser(append),
    option(
      '--plugins_dir <dir>',
      'folder of modules with endpoints, authentication, authorization',
    ),
  ];
}

function append(value: string, values: string[]): string[] {
  return [...values, value];
}

function tlsFiles(flags: Record<string, string | undefined>): TlsFiles | undefined {
  const { tls_cert: cert, tls_key: key, tls_client_ca: clientCa } = flags;
  return cert === undefined || key === undefined ? undefined : { cert, key, clientCa };
}

function engineFlags(): Option[] {
  return [
    option(
      '--executor <place>',
      'where models run: auto keeps small loop-free ones in this process',
    )
      .choices(['auto', 'inline', 'process'])
      .default('auto'),
    option('--allow_model_code', 'run the JavaScript that lies beside models').default(false),
    option('--workers <count>', 'executor processes of a model').default(1).argParser(count),
    option('--threads <count>', 'threads of one run').default(containerCpus()).argParser(count),
    option('--concurrency <count>', 'runs that an executor may have under way')
      .default(containerCpus())
      .argParser(count),
    option(
      '--execution_providers <names>',
      `what runs ONNX models, first choice first: ${PROVIDER_NAMES}`,
    )
      .default(['auto'])
      .argParser(providers),
    option(
      '--optimized_model_dir <dir>',
      'keep ONNX models here as they were optimised, for the next start',
    ),
  ];
}

function queueFlags(): Option[] {
  return [
    option('--max_batch_size <rows>', 'batch requests up to so many rows; 0 is no batching')
      .default(0)
      .argParser(count0),
    option('--max_batch_delay_ms <ms>', 'longest wait for company while all executors are busy')
      .default(0)
      .argParser(positive0),
    option(
      '--container_concurrency <count>',
      'requests of all models that run at once, the others wait; 0 is no limit',
    )
      .default(0)
      .argParser(count0),
    option('--queue_size <count>', 'requests of a model that may wait')
      .default(
        undefined,
        `${MAX_QUEUE}; with --container_concurrency 10 times that, ${MIN_QUEUE} to ${MAX_QUEUE}`,
      )
      .argParser(count),
    option('--queue_bytes <bytes>', 'tensors of a model that may wait')
      .default(256 << 20)
      .argParser(count),
    option('--overload_status <status>', "when a queue is full; 503 is Triton's")
      .default(429)
      .argParser(overloadStatus),
    option('--priority_levels <count>', 'of requests, 1 being the most urgent; 0 is no priorities')
      .default(0)
      .argParser(count0),
    option('--request_timeout_ms <ms>', 'for requests without a timeout; 0 is none')
      .default(0)
      .argParser(positive0),
    option('--response_cache', 'keep answers for requests that come again').default(false),
    option('--response_cache_bytes <bytes>', 'of the answers kept')
      .default(64 << 20)
      .argParser(count),
  ];
}

/** Makes an option whose key is its flag as written: KServe's flags have underscores. */
function option(flags: string, description: string): Option {
  return new Option(flags, description);
}
