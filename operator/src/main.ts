/**
 * Runs the command line: `local`, `controller` or `plan`. No other file reads arguments or takes signals, and
 * only the start of predictor processes reads the environment beside this one.
 */
import { hostname } from 'node:os';
import { KubeConfig } from '@kubernetes/client-node';
import { Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_CONFIG, type OperatorConfig } from './api/config.ts';
import { listenHost, parsePodIPs } from './api/pod-ips.ts';
import { OperatorMetrics } from './controller/metrics.ts';
import { Operator } from './controller/operator.ts';
import { startLocal } from './local/local.ts';
import { planFiles } from './local/plan-files.ts';
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
        console.error(
          taken ? `port ${wanted} is taken: choose another with --port` : error.message,
        );
        process.exit(1);
      },
    );
    console.log(`listening on http://localhost:${local.port}; Ctrl-C ends it`);
    onSignal(() => local.stop());
  });

program
  .command('controller')
  .description('run the operator on the cluster of the kubeconfig, or of the pod it runs in')
  .option(
    '--namespace <name>',
    "namespace of the router's Service",
    DEFAULT_CONFIG.router.namespace,
  )
  .option('--router-service <name>', 'Service of the routers', DEFAULT_CONFIG.router.name)
  .addOption(
    new Option('--router-drain-seconds <count>', 'how long a router that ends takes requests')
      .default(15)
      .argParser(count),
  )
  .addOption(
    new Option('--router-workers <count>', 'worker threads of each router')
      .default(DEFAULT_CONFIG.router.workers)
      .argParser(count),
  )
  .option('--deployment <name>', "the operator's own Deployment", 'wherry-operator')
  .option('--xds-service <name>', "Service of the routers' control plane", 'wherry-xds')
  .addOption(
    new Option('--xds-port <port>', 'port of the control plane').default(18000).argParser(port),
  )
  .addOption(
    new Option('--metrics-port <port>', 'port of /metrics, /healthz and /readyz')
      .default(9090)
      .argParser(port),
  )
  .option(
    '--external-scaler-service <name>',
    'Service of the external scaler',
    'wherry-external-scaler',
  )
  .addOption(
    new Option(
      '--external-scaler-port <port>',
      'port of the external scaler for KEDA; none without it',
    ).argParser(port),
  )
  .option('--ingress-domain <domain>', 'domain of external hosts', DEFAULT_CONFIG.ingressDomain)
  .option(
    '--domain-template <template>',
    'Go template of external hosts',
    DEFAULT_CONFIG.domainTemplate,
  )
  .addOption(
    new Option('--url-scheme <scheme>', 'scheme of external URLs')
      .choices(['http', 'https'])
      .default(DEFAULT_CONFIG.urlScheme),
  )
  .option('--cluster-domain <domain>', 'DNS domain of the cluster', DEFAULT_CONFIG.clusterDomain)
  .option(
    '--storage-initializer-image <image>',
    'image that fetches models for runtimes that do not',
    DEFAULT_CONFIG.storageInitializerImage,
  )
  .addOption(
    new Option('--revision-history-limit <count>', 'revisions kept for a rollback')
      .default(DEFAULT_CONFIG.revisionHistoryLimit)
      .argParser(count),
  )
  .option('--warm-pools', 'let runtimes have warm pools', false)
  .addOption(
    new Option('--test-refused-route <key>', 'service whose routes no router takes')
      .env('WHERRY_TEST_REFUSED_ROUTE')
      .hideHelp(),
  )
  .addOption(logLevel().default('info'))
  .addHelpText(
    'after',
    '\nPOD_NAME says who this process is, POD_IPS where it is (separated by commas).',
  )
  .action(async (flags: ControllerFlags) => {
    const log = createLogger(flags.logLevel, 'json');
    const stopped = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => stopped.abort());
    }
    const podIPs = parsePodIPs(process.env.POD_IPS);
    const metrics = new OperatorMetrics();
    metrics.listen(flags.metricsPort, listenHost(podIPs));
    const kubeConfig = new KubeConfig();
    kubeConfig.loadFromDefault();
    try {
      const operator = new Operator({
        config: operatorConfig(flags),
        identity: process.env.POD_NAME ?? `${hostname()}-${process.pid}`,
        podIPs,
        xds: { port: flags.xdsPort, service: flags.xdsService },
        routerDrainSeconds: flags.routerDrainSeconds,
        externalScaler: externalScaler(flags),
        deployment: flags.deployment,
        hasWarmPools: flags.warmPools,
        kubeConfig,
        refusedRoute: flags.testRefusedRoute,
        metrics,
        log,
        signal: stopped.signal,
      });
      await operator.run();
      process.exit(0);
    } catch (error) {
      log.error('operator ended', { error: (error as Error).stack });
      process.exit(1);
    }
  });

program
  .command('plan')
  .description('print what the operator would apply for the InferenceServices of YAML files')
  .requiredOption('-f, --file <file...>', 'YAML files with InferenceServices and ServingRuntimes')
  .action(({ file }) => {
    try {
      console.log(planFiles(file, new Date().toISOString()));
    } catch (error) {
      program.error((error as Error).message);
    }
  });

/** The flags of `controller`, as commander names them. */
interface ControllerFlags {
  readonly namespace: string;
  readonly routerService: string;
  readonly routerWorkers: number;
  readonly xdsService: string;
  readonly routerDrainSeconds: number;
  readonly deployment: string;
  readonly xdsPort: number;
  readonly metricsPort: number;
  readonly externalScalerService: string;
  readonly externalScalerPort?: number;
  readonly ingressDomain: string;
  readonly domainTemplate: string;
  readonly urlScheme: OperatorConfig['urlScheme'];
  readonly clusterDomain: string;
  readonly storageInitializerImage: string;
  readonly revisionHistoryLimit: number;
  readonly warmPools: boolean;
  readonly testRefusedRoute?: string;
  readonly logLevel: string;
}

function externalScaler({ externalScalerService: service, externalScalerPort }: ControllerFlags) {
  return externalScalerPort === undefined ? undefined : { port: externalScalerPort, service };
}

function operatorConfig(flags: ControllerFlags): OperatorConfig {
  const { ingressDomain, domainTemplate, urlScheme, clusterDomain } = flags;
  const { storageInitializerImage, revisionHistoryLimit } = flags;
  const scaler = externalScaler(flags);
  return Object.freeze({
    ...{ ingressDomain, domainTemplate, urlScheme, clusterDomain },
    ...{ storageInitializerImage, revisionHistoryLimit },
    router: {
      name: flags.routerService,
      namespace: flags.namespace,
      workers: flags.routerWorkers,
    },
    ...(scaler && {
      externalScaler: `${scaler.service}.${flags.namespace}.svc.${clusterDomain}:${scaler.port}`,
    }),
  });
}

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

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError('expected a whole number of at least 0.');
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
