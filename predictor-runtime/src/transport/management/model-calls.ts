/** The management API's calls about models. Source: TorchServe, Management API. */
import type { Logger } from '../../platform/log.ts';
import { InferenceError, invalid } from '../../protocol/errors.ts';
import type { ModelManager } from '../../serving/manager.ts';
import { MAX_WORKERS } from '../../serving/repository/model-config.ts';
import type { ModelRepository } from '../../serving/repository/repository.ts';
import type { CallReply, CallValues, ManagementCall, Parameter } from './calls.ts';
import { modelDescription } from './model-description.ts';
import type { Parameters } from './parameters.ts';

/** Parts that the calls about models work on. */
export interface ModelCallsOptions {
  readonly manager: ModelManager;
  readonly repository: ModelRepository;
  readonly log: Logger;
}

/** Paths of a model, for its default version, and of a version. */
const MODEL_PATHS = ['/models/{model_name}', '/models/{model_name}/{model_version}'] as const;

const PYTHON = 'is for handlers in Python, which are not run here; put code into plugin.mjs';
const SYNCHRONOUS: Parameter = {
  type: 'boolean',
  description: 'Answer when it is done; otherwise at once, with 202',
};

/** Makes the table of the calls about models. */
export function modelCalls(options: ModelCallsOptions): ManagementCall[] {
  return [
    {
      method: 'get',
      path: '/models',
      summary: 'List models',
      parameters: {
        limit: { type: 'integer', description: 'Most models of one answer' },
        next_page_token: { type: 'string', description: 'Token of the answer before' },
      },
      answer: listModels(options),
    },
    {
      method: 'post',
      path: '/models',
      summary: 'Register a model, or a version of a registered one',
      takesBody: true,
      parameters: {
        url: { type: 'string', description: 'Folder of the repository, or an allowed storage URI' },
        model_name: { type: 'string', description: 'Name of the model; the URL if not given' },
        batch_size: { type: 'integer', description: 'Most rows of a batch' },
        max_batch_delay: { type: 'integer', description: 'Longest wait for a batch, in ms' },
        response_timeout: { type: 'integer', description: 'Timeout of requests, in s' },
        initial_workers: { type: 'integer', description: 'Executors to start' },
        synchronous: SYNCHRONOUS,
        s3_sse_kms: { type: 'boolean', description: 'S3 decrypts by itself either way' },
      },
      refused: {
        handler: PYTHON,
        runtime: PYTHON,
        startup_timeout: 'the start of a worker is not limited in time here',
      },
      answer: registerModel(options),
    },
    ...MODEL_PATHS.flatMap((path) => versionCalls(path, options)),
    {
      method: 'put',
      path: `${MODEL_PATHS[1]}/set-default`,
      summary: 'Make a version the default one',
      answer: setDefaultVersion(options),
    },
  ];
}

function versionCalls(path: string, options: ModelCallsOptions): ManagementCall[] {
  return [
    {
      method: 'get',
      path,
      summary: 'Describe the default version, another one, or all',
      parameters: { customized: { type: 'boolean', description: 'False; true is refused' } },
      answer: describeModel(options),
    },
    {
      method: 'put',
      path,
      summary: 'Scale the workers of a version',
      parameters: {
        min_worker: { type: 'integer', description: 'Workers to have, at least 1' },
        max_worker: {
          type: 'integer',
          description: 'Workers beyond it are ended; min_worker if not given',
        },
        synchronous: SYNCHRONOUS,
      },
      refused: { timeout: 'is not known here: with synchronous=true, the answer says it is done' },
      answer: scaleModel(options),
    },
    {
      method: 'delete',
      path,
      summary: 'Unregister a version; the default one only as the last',
      parameters: { synchronous: { type: 'boolean', description: 'The answer always waits' } },
      refused: { timeout: 'is not known here: the answer waits for the requests under way' },
      answer: unregisterModel(options),
    },
  ];
}

type Answer = (values: CallValues) => CallReply | Promise<CallReply>;

function listModels({ manager }: ModelCallsOptions): Answer {
  return ({ parameters }) => {
    const limit = parameters.wholeNumber('limit') ?? 100;
    const start = parameters.wholeNumber('next_page_token') ?? 0;
    const models = manager
      .names()
      .sort()
      .flatMap((modelName) => {
        const servables = manager.servables(modelName);
        const standard = manager.defaultVersion(modelName);
        const shown = servables.find(({ version }) => version === standard) ?? servables.at(-1);
        return shown === undefined ? [] : { modelName, modelUrl: shown.source };
      });
    const next = start + limit < models.length ? { nextPageToken: String(start + limit) } : {};
    return { json: { ...next, models: models.slice(start, start + limit) } };
  };
}

function registerModel({ manager, repository, log }: ModelCallsOptions): Answer {
  return async ({ parameters }) => {
    const url = parameters.text('url');
    if (url === undefined)
      throw invalid('url: says which model, by a folder of the repository or a storage URI');
    const name = parameters.text('model_name') ?? url.replace(/\/\d+$/, '');
    const workers = workersOf(parameters, 'initial_workers') || undefined;
    const isSynchronous = parameters.flag('synchronous') ?? true;
    const settings = {
      batchSize: parameters.positiveNumber('batch_size'),
      maxBatchDelayMs: parameters.wholeNumber('max_batch_delay'),
      responseTimeoutSeconds: parameters.positiveNumber('response_timeout'),
    };
    const awaited = isSynchronous ? workers : undefined;
    const versions = await repository.register({ name, url, settings, workers: awaited });
    if (workers !== undefined && !isSynchronous) {
      const work = Promise.all(versions.map((version) => scale(manager, name, version, workers)));
      return inBackground(work, name, log);
    }
    const started = manager.get(name, { version: versions.at(-1) }).model.workers().length;
    const status = `Model "${name}" Version: ${versions.join(', ')} registered with ${started} initial workers`;
    return { json: { status } };
  };
}

function describeModel({ manager }: ModelCallsOptions): Answer {
  return ({ path, parameters }) => {
    if (parameters.flag('customized'))
      throw invalid('customized: is what a handler in Python tells; see /v2/models/NAME instead');
    const { model_name: name = '', model_version: asked } = path;
    const servables = manager.servables(name);
    const standard = manager.defaultVersion(name) ?? servables.at(-1)?.version;
    const version = asked === 'all' ? undefined : (versionOf(name, asked) ?? standard);
    const wanted = servables.filter((it) => asked === 'all' || it.version === version);
    // What says that there is none also says why.
    if (wanted.length === 0) manager.get(name, { version });
    return { json: wanted.map(modelDescription) };
  };
}

function scaleModel({ manager, log }: ModelCallsOptions): Answer {
  return async ({ path, parameters }) => {
    const { model_name: name = '', model_version: asked } = path;
    const min = workersOf(parameters, 'min_worker') ?? 1;
    const max = parameters.wholeNumber('max_worker') ?? min;
    if (min < 1)
      throw invalid('min_worker: expected at least 1; a model is stopped by unregistering it');
    if (max < min) throw invalid('max_worker: expected no less than min_worker');
    const choice = { version: versionOf(name, asked) };
    const { model, version } = manager.get(name, choice);
    const workers = Math.min(Math.max(model.workers().length, min), max);
    const work = scale(manager, name, version, workers);
    if (parameters.flag('synchronous') !== true) return inBackground(work, name, log);
    await work;
    const which = asked === undefined ? '' : `, version: ${version}`;
    return { json: { status: `Workers scaled to ${min} for model: ${name}${which}` } };
  };
}

function setDefaultVersion({ manager }: ModelCallsOptions): Answer {
  return ({ path }) => {
    const { model_name: name = '', model_version: asked } = path;
    const version = versionOf(name, asked) ?? 0;
    manager.setDefaultVersion(name, version);
    const status = `Default version successfully updated for model "${name}" to "${version}"`;
    return { json: { status } };
  };
}

function unregisterModel({ repository }: ModelCallsOptions): Answer {
  return async ({ path, parameters }) => {
    const { model_name: name = '', model_version: asked } = path;
    parameters.flag('synchronous');
    await repository.unregister(name, versionOf(name, asked));
    return { json: { status: `Model "${name}" unregistered` } };
  };
}

/** Reads a number of workers. @throws InferenceError INVALID_ARGUMENT. */
function workersOf(parameters: Parameters, name: string): number | undefined {
  const workers = parameters.wholeNumber(name);
  if (workers === undefined || workers <= MAX_WORKERS) return workers;
  throw invalid(`${name}: expected at most ${MAX_WORKERS}, got ${workers}`);
}

async function scale(
  manager: ModelManager,
  name: string,
  version: number,
  workers: number,
): Promise<void> {
  await manager.use(name, { version }, (model) => model.scale(workers));
}

/** Answers that the work goes on; a failure of it is logged, as nobody waits to hear of it. */
function inBackground(work: Promise<unknown>, model: string, log: Logger): CallReply {
  work.catch((error: Error) => log.error('workers not scaled', { model, reason: error.message }));
  return { status: 202, json: { status: 'Processing worker updates...' } };
}

/**
 * Reads a version of a path: a number, which TorchServe's archives write as `1.0`.
 * @throws InferenceError NOT_FOUND for what no version here is called.
 */
function versionOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits] = /^(\d{1,15})(\.0+)*$/.exec(text) ?? [];
  if (digits !== undefined) return Number(digits);
  const why = 'versions are whole numbers here';
  throw new InferenceError('NOT_FOUND', `model '${name}' has no version '${text}': ${why}`);
}
