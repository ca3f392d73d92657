/**
 * The V2 protocol over REST, and Triton's additions to it: configuration and statistics.
 * Source: Open Inference Protocol V2, "HTTP/REST"; `/v2/models` is KServe's addition.
 */

import type { IncomingMessage } from 'node:http';
import { invalid } from '../../protocol/errors.ts';
import { decodeElements } from '../../protocol/v2/binary.ts';
import { datatype } from '../../protocol/v2/datatypes.ts';
import {
  decodeInferRequest,
  type EncodedResponse,
  encodeInferResponse,
} from '../../protocol/v2/json.ts';
import type { InferRequest, ModelMetadata, TensorMetadata } from '../../protocol/v2/types.ts';
import { parseVersionChoice, type VersionChoice } from '../../protocol/versions.ts';
import { after } from '../../serving/immediate.ts';
import { statisticsOf } from '../statistics.ts';
import { inference, JSON_LENGTH, jsonLength } from './inference.ts';
import { type Exchange, type Handler, json, type Reply, type Routes, readiness } from './reply.ts';
import { inUtf8 } from './text.ts';

const choiceOf = ({ params }: Exchange): VersionChoice => parseVersionChoice(params.version);
const nameOf = ({ params }: Exchange): string => params.name ?? '';

const metadata: Handler = (exchange, { dataPlane }) => {
  const { name, versions, platform, inputs, outputs } = dataPlane.metadata(
    nameOf(exchange),
    choiceOf(exchange),
  );
  return json({
    name,
    versions,
    platform,
    inputs: inputs.map(tensorMetadata),
    outputs: outputs.map(tensorMetadata),
  });
};

const ready: Handler = (exchange, { dataPlane }) => {
  const name = nameOf(exchange);
  const reason = dataPlane.modelNotReadyReason(name, choiceOf(exchange));
  return readiness(reason, { name, ready: true });
};

const config: Handler = (exchange, { dataPlane }) =>
  json(dataPlane.config(nameOf(exchange), choiceOf(exchange)));

const statistics: Handler = (exchange, { dataPlane }) => {
  const { name } = exchange.params;
  return json({ model_stats: dataPlane.statistics(name, choiceOf(exchange)).map(statisticsOf) });
};

const infer: Handler = (exchange, context) => {
  const target = { name: nameOf(exchange), choice: choiceOf(exchange) };
  const { req } = exchange;
  const { dataPlane } = context;
  return inference(exchange, context, {
    name: target.name,
    choice: target.choice,
    verb: 'infer',
    answer: (body, options) => {
      const request = requestOf(req, body, () => dataPlane.metadata(target.name, target.choice));
      return after(dataPlane.infer(target, request, options), (response) =>
        inferReply(encodeInferResponse(response, request)),
      );
    },
  });
};

/** Reads a request: JSON that tensors may follow as bytes, or the bytes of one tensor. @throws InferenceError. */
function requestOf(
  req: IncomingMessage,
  body: Buffer,
  metadata: () => ModelMetadata,
): InferRequest {
  const length = jsonLength(req, body);
  // A view of the body takes as long as reading a small one.
  if (length > 0 && length === body.length) return decodeInferRequest(inUtf8(req, body));
  const isRaw = length === 0 && req.headers[JSON_LENGTH] !== undefined;
  return isRaw
    ? rawRequest(body, metadata())
    : decodeInferRequest(inUtf8(req, body.subarray(0, length)), body.subarray(length));
}

export const V2_ROUTES: Routes = {
  'GET /v2/models': (_, { dataPlane }) => json({ models: dataPlane.modelNames() }),
  'GET /v2/models/stats': statistics,
  'GET /v2/models/{name}': metadata,
  'GET /v2/models/{name}/versions/{version}': metadata,
  'GET /v2/models/{name}/ready': ready,
  'GET /v2/models/{name}/versions/{version}/ready': ready,
  'GET /v2/models/{name}/config': config,
  'GET /v2/models/{name}/versions/{version}/config': config,
  'GET /v2/models/{name}/stats': statistics,
  'GET /v2/models/{name}/versions/{version}/stats': statistics,
  'POST /v2/models/{name}/infer': infer,
  'POST /v2/models/{name}/versions/{version}/infer': infer,
};

function tensorMetadata({ name, datatype: type, shape }: TensorMetadata): object {
  return { name, datatype: type, shape };
}

/**
 * Makes a request of a body that is the bytes of the model's only input and nothing else. One dimension may be open and
 * follows from the size, the batch is 1, BYTES are one element. Source: Triton, binary tensor data extension, "Raw
 * Binary Request".
 */
function rawRequest(body: Buffer, { name, inputs }: ModelMetadata): InferRequest {
  const [input, ...others] = inputs.filter(({ optional }) => !optional);
  if (input === undefined || others.length > 0) {
    throw invalid(
      `a raw binary request needs a model with one input, '${name}' has ${inputs.length}`,
    );
  }
  const { bytes: size } = datatype(input.datatype);
  const shape = rawShape(input, size === undefined ? 1 : body.length / size);
  const data =
    size === undefined
      ? [body]
      : decodeElements(input.datatype, shape, body, `input '${input.name}'`);
  const tensor = { name: input.name, datatype: input.datatype, shape, data };
  return { inputs: [tensor], outputs: [], binaryOutputs: true };
}

function rawShape({ name, shape }: TensorMetadata, count: number): number[] {
  const open = shape.flatMap((dim, i) => (dim === -1 ? [i] : []));
  const batched = open.length > 1 && open[0] === 0;
  const [variable, ...more] = batched ? open.slice(1) : open;
  if (more.length > 0) {
    throw invalid(`input '${name}' has shape [${shape}]: a raw binary request cannot say which`);
  }
  const known = shape.reduce((product, dim) => (dim === -1 ? product : product * dim), 1);
  return shape.map((dim, i) => {
    if (dim !== -1) return dim;
    return i === variable ? Math.floor(count / known) : 1;
  });
}

/** Makes a reply of JSON alone, or of JSON and then tensors as bytes. */
function inferReply({ json: text, binary }: EncodedResponse): Reply {
  if (binary.length === 0) return { status: 200, body: text };
  const head = Buffer.from(text);
  return {
    status: 200,
    body: Buffer.concat([head, ...binary]),
    type: 'application/octet-stream',
    jsonLength: head.length,
  };
}
