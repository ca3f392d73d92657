/** The server's OpenAPI description, with the loaded models' own schemas, and a page that shows it. */
import type { DataPlane, VersionedMetadata } from '../../dataplane.ts';
import { datatype } from '../../protocol/v2/datatypes.ts';
import { SERVER_METADATA } from '../../protocol/v2/server-metadata.ts';
import { elementCount, type TensorMetadata } from '../../protocol/v2/types.ts';
import type { Routes } from './reply.ts';
import { json } from './reply.ts';

export const OPENAPI_ROUTES: Routes = {
  'GET /openapi.json': (_, { dataPlane }) => json(openApi(loadedModels(dataPlane))),
  'GET /docs': (_, { dataPlane }) => ({
    status: 200,
    body: docsPage(loadedModels(dataPlane)),
    type: 'text/html; charset=utf-8',
  }),
};

function loadedModels(dataPlane: DataPlane): VersionedMetadata[] {
  return dataPlane
    .modelNames()
    .filter((name) => dataPlane.modelNotReadyReason(name) === undefined)
    .map((name) => dataPlane.metadata(name));
}

/** Describes the V2 protocol as these models speak it, in OpenAPI 3.1. */
export function openApi(models: readonly VersionedMetadata[]): object {
  const paths = {
    '/v2/health/live': get('The server is alive', { live: { const: true } }),
    '/v2/health/ready': get('Every model can serve', { ready: { const: true } }),
    '/v2': get('Name, version and extensions of the server', { name: TEXT, version: TEXT }),
    '/v2/models': get('Names of the models', { models: { type: 'array', items: TEXT } }),
    ...Object.assign({}, ...models.map(modelPaths)),
  };
  return {
    openapi: '3.1.0',
    info: { title: 'Wherry predictor runtime', version: SERVER_METADATA.version },
    paths,
    components: {
      schemas: { Error: { type: 'object', required: ['error'], properties: { error: TEXT } } },
    },
  };
}

const TEXT = { type: 'string' };
const ERROR = {
  description: 'what is wrong, where, and what to do',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
};
const ERRORS = Object.fromEntries(
  ['400', '404', '413', '415', '429', '500', '503', '504'].map((status) => [status, ERROR]),
);

function get(summary: string, properties: object): object {
  return { get: { summary, responses: responses(objectOf(properties)) } };
}

function responses(schema: object): object {
  return {
    200: { description: 'the answer', content: { 'application/json': { schema } } },
    ...ERRORS,
  };
}

/** Makes the schema of an object whose properties are all there. */
function objectOf(properties: object): object {
  return { type: 'object', required: Object.keys(properties), properties };
}

function modelPaths({ name, inputs, outputs }: VersionedMetadata): object {
  const path = `/v2/models/${encodeURIComponent(name)}`;
  const required = inputs.filter(({ optional }) => !optional);
  const request = {
    type: 'object',
    required: ['inputs'],
    properties: {
      id: TEXT,
      inputs: {
        type: 'array',
        minItems: required.length,
        maxItems: inputs.length,
        items: { oneOf: inputs.map(tensorSchema) },
      },
    },
  };
  const response = objectOf({
    model_name: { const: name },
    outputs: { type: 'array', items: { oneOf: outputs.map(tensorSchema) } },
  });
  return {
    [path]: get(`Metadata of ${name}`, { name: { const: name }, platform: TEXT }),
    [`${path}/ready`]: get(`${name} can serve`, { name: { const: name }, ready: { const: true } }),
    [`${path}/infer`]: {
      post: {
        summary: `Inference by ${name}`,
        requestBody: {
          required: true,
          content: { 'application/json': { schema: request, example: exampleOf(required) } },
        },
        responses: responses(response),
      },
    },
  };
}

/** Makes a valid request of zeros and empty texts. */
function exampleOf(inputs: readonly TensorMetadata[]): object {
  return {
    inputs: inputs.map(({ name, datatype: type, shape }) => {
      const { kind } = datatype(type);
      const zero = { bool: false, bytes: '' }[kind as string] ?? 0;
      const dims = shape.map((dim) => (dim === -1 ? 1 : dim));
      return { name, datatype: type, shape: dims, data: new Array(elementCount(dims)).fill(zero) };
    }),
  };
}

/** Makes the schema of a tensor in JSON, whose data may be flat or nested. */
function tensorSchema({ name, datatype: type, shape }: TensorMetadata): object {
  return {
    type: 'object',
    required: ['name', 'datatype', 'shape', 'data'],
    properties: {
      name: { const: name },
      datatype: { const: type },
      shape: {
        type: 'array',
        minItems: shape.length,
        maxItems: shape.length,
        items: { type: 'integer', minimum: 0 },
        description: `[${shape}], where -1 is yours to choose`,
      },
      data: { type: 'array', items: { anyOf: [elementSchema(type), { type: 'array' }] } },
      parameters: { type: 'object' },
    },
  };
}

function elementSchema(type: TensorMetadata['datatype']): object {
  const { kind, min, max } = datatype(type);
  switch (kind) {
    case 'bool':
      return { type: 'boolean' };
    case 'bytes':
      return TEXT;
    case 'int':
      return { type: 'integer', minimum: min, maximum: max };
    case 'bigint':
      return { type: 'integer' };
    default:
      return { anyOf: [{ type: 'number' }, { enum: [null, 'Infinity', '-Infinity'] }] };
  }
}

/** Makes a page without scripts: each model's tensors, and a request to copy. */
function docsPage(models: readonly VersionedMetadata[]): string {
  const sections = models.map((model) => {
    const rows = (kind: string, tensors: readonly TensorMetadata[]) =>
      tensors
        .map(
          ({ name, datatype: type, shape }) =>
            `<tr><td>${kind}<td>${escaped(name)}<td>${type}<td>[${shape}]`,
        )
        .join('');
    const path = `/v2/models/${encodeURIComponent(model.name)}/infer`;
    return `<h2>${escaped(model.name)}</h2><p>${model.platform}, versions ${model.versions.join(', ')}</p>
<table>${rows('input', model.inputs)}${rows('output', model.outputs)}</table>
<pre>curl ${path} -d '${escaped(JSON.stringify(exampleOf(model.inputs)))}'</pre>`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Wherry predictor runtime</title>
<style>body{font:16px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}td{padding:0 1rem 0 0}pre{overflow:auto;background:#f4f4f4;padding:.5rem}</style>
<h1>Wherry predictor runtime ${SERVER_METADATA.version}</h1><p><a href="openapi.json">openapi.json</a></p>
${sections.join('\n')}</html>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
