/** V1 over REST: TensorFlow Serving's dialect and KServe's in one. Sources: their REST API pages. */

import type { DataPlane, Target, VersionedMetadata } from '../../dataplane.ts';
import {
  decodeExamples,
  encodeClassifications,
  encodeRegressions,
} from '../../protocol/v1/examples.ts';
import { signatureDef } from '../../protocol/v1/metadata.ts';
import { decodePredict, encodePredict } from '../../protocol/v1/predict.ts';
import type { Tensor } from '../../protocol/v2/types.ts';
import { parseVersionChoice, type VersionChoice } from '../../protocol/versions.ts';
import type { Servable } from '../../serving/servable.ts';
import { inference } from './inference.ts';
import {
  type Exchange,
  type Handler,
  json,
  type Reply,
  type RestContext,
  type Routes,
} from './reply.ts';
import { inUtf8 } from './text.ts';

const nameOf = ({ params }: Exchange): string => params.name ?? '';

function choiceOf({ params }: Exchange): VersionChoice {
  return params.label === undefined ? parseVersionChoice(params.version) : { label: params.label };
}

function targetOf(exchange: Exchange): Target {
  return { name: nameOf(exchange), choice: choiceOf(exchange) };
}

const predict: Handler = (exchange, context) => rows(exchange, context, 'infer');

const explain: Handler = (exchange, context) => rows(exchange, context, 'explain');

/** The key of the answer's rows, by the verb that made them. */
const ROWS = { infer: 'predictions', explain: 'explanations' } as const;

function rows(exchange: Exchange, context: RestContext, verb: 'infer' | 'explain'): Promise<Reply> {
  const target = targetOf(exchange);
  const { dataPlane } = context;
  return inference(exchange, context, {
    ...target,
    verb,
    answer: async (body, options) => {
      const { request, form } = decodePredict(
        inUtf8(exchange.req, body),
        metadataOf(dataPlane, target),
      );
      const response = await dataPlane[verb](target, request, options);
      return { status: 200, body: encodePredict(response, form, ROWS[verb]) };
    },
  });
}

const classify: Handler = (exchange, context) =>
  examples(exchange, context, (scores) => {
    const labels = context.dataPlane.classLabels(nameOf(exchange), scores.name, choiceOf(exchange));
    return encodeClassifications(scores, labels);
  });

const regress: Handler = (exchange, context) => examples(exchange, context, encodeRegressions);

function examples(
  exchange: Exchange,
  context: RestContext,
  encode: (scores: Tensor) => string,
): Promise<Reply> {
  const target = targetOf(exchange);
  const { dataPlane } = context;
  return inference(exchange, context, {
    ...target,
    verb: 'infer',
    answer: async (body, options) => {
      const request = decodeExamples(inUtf8(exchange.req, body), metadataOf(dataPlane, target));
      const { outputs } = await dataPlane.infer(target, request, options);
      return { status: 200, body: encode(outputs[0] as Tensor) };
    },
  });
}

function metadataOf(dataPlane: DataPlane, { name, choice }: Target): VersionedMetadata {
  return dataPlane.metadata(name, choice);
}

/** Words of TensorFlow Serving for the phases. */
const STATES: Record<Servable['phase'], string> = {
  new: 'START',
  loading: 'LOADING',
  available: 'AVAILABLE',
  unloading: 'UNLOADING',
  failed: 'END',
};

/** Lists all versions, as both servers' clients read them; 503 while none of them serves. */
const modelStatus: Handler = (exchange, { dataPlane }) => {
  const name = nameOf(exchange);
  const error = dataPlane.modelNotReadyReason(name);
  const model_version_status = versionStatus(dataPlane, name);
  if (error !== undefined) return json({ error, name, ready: false, model_version_status }, 503);
  return json({ name, ready: true, model_version_status });
};

const oneVersionStatus: Handler = (exchange, { dataPlane }) => {
  const name = nameOf(exchange);
  const choice = choiceOf(exchange);
  dataPlane.modelNotReadyReason(name, choice);
  const version = choice.version ?? dataPlane.labels(name)[choice.label ?? ''];
  return json({ model_version_status: versionStatus(dataPlane, name, version) });
};

function versionStatus(dataPlane: DataPlane, name: string, version?: number): object[] {
  return dataPlane
    .versions(name)
    .filter((servable) => version === undefined || servable.version === version)
    .map(({ version: number, phase, error }) => ({
      version: String(number),
      state: STATES[phase],
      status: { error_code: error === undefined ? 'OK' : 'UNKNOWN', error_message: error ?? '' },
    }));
}

const metadata: Handler = (exchange, { dataPlane }) => {
  const name = nameOf(exchange);
  const choice = choiceOf(exchange);
  return json(signatureDef(dataPlane.metadata(name, choice), dataPlane.version(name, choice)));
};

const VERBS: Routes = {
  'POST :predict': predict,
  'POST :classify': classify,
  'POST :regress': regress,
  'POST :explain': explain,
  'GET metadata': metadata,
};

/** Beginnings of the routes of a model, of one of its versions, and of a label. */
const PREFIXES = ['{name}', '{name}/versions/{version}', '{name}/labels/{label}'];

export const V1_ROUTES: Routes = {
  'GET /v1/models': (_, { dataPlane }) => json({ models: dataPlane.modelNames() }),
  'GET /v1/models/{name}': modelStatus,
  'GET /v1/models/{name}/versions/{version}': oneVersionStatus,
  'GET /v1/models/{name}/labels/{label}': oneVersionStatus,
  ...Object.fromEntries(
    PREFIXES.flatMap((prefix) =>
      Object.entries(VERBS).map(([route, handler]) => [
        route.replace(' ', ` /v1/models/${prefix}/`),
        handler,
      ]),
    ),
  ),
};
