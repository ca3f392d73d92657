/** Questions over gRPC, unary and in streams. */
import type { ServiceError } from '@grpc/grpc-js';
import { service } from '../grpc-client.ts';
import type { Case, Compared } from './compared.ts';

const input = (name: string, more: object = {}) => ({
  name,
  datatype: 'INT32',
  shape: [1, 4],
  contents: { int_contents: [1, 2, 3, 4] },
  ...more,
});
const A = input('a');
const B = input('b');
const int32 = (...values: number[]) => Buffer.from(Int32Array.from(values).buffer);
const ROW = int32(1, 2, 3, 4);
const RAW = ['a', 'b'].map((name) => ({ name, datatype: 'INT32', shape: [1, 4] }));
const add = (more: object = {}) => ({ model_name: 'add', inputs: [A, B], ...more });

/** Makes a case of one call; an answer, or the code and text of its error. */
function unary(title: string, method: string, request: object): Case {
  return {
    title: `gRPC ${title}`,
    ask: ({ call }) =>
      call(method, request).catch(({ code, details }: ServiceError) => ({ code, error: details })),
  };
}

const infer = (title: string, more: object = {}) => unary(title, 'ModelInfer', add(more));
const outputs = (...list: object[]) => ({ outputs: list });
const text = (value: string) => ({ string_param: value });
const load = (title: string, parameters: object, model = 'loaded') =>
  unary(title, 'RepositoryModelLoad', { model_name: model, parameters });

/** Sends messages in one stream, and returns its answers in their order. */
async function stream({ client }: Compared, messages: readonly object[]): Promise<unknown[]> {
  const definition = service.ModelStreamInfer;
  if (definition === undefined) throw new Error('no ModelStreamInfer');
  const call = client.makeBidiStreamRequest(
    definition.path,
    definition.requestSerialize,
    definition.responseDeserialize,
  );
  for (const message of messages) call.write(message);
  call.end();
  const answers: unknown[] = [];
  for await (const answer of call) answers.push(answer);
  return answers;
}

const sleep = (ms: number, id: string) => ({
  model_name: 'short',
  id,
  inputs: [{ name: 'ms', datatype: 'INT32', shape: [1, 1], contents: { int_contents: [ms] } }],
});

export const GRPC_CASES: readonly Case[] = [
  unary('live', 'ServerLive', {}),
  unary('ready', 'ServerReady', {}),
  unary('ready model', 'ModelReady', { name: 'add' }),
  unary('ready, unknown model', 'ModelReady', { name: 'nope' }),
  unary('ready, unloaded model', 'ModelReady', { name: 'loaded' }),
  unary('ready, unknown version', 'ModelReady', { name: 'add', version: '9' }),
  unary('ready, no number', 'ModelReady', { name: 'add', version: 'x' }),
  unary('server metadata', 'ServerMetadata', {}),
  unary('metadata', 'ModelMetadata', { name: 'rows' }),
  unary('metadata of an unknown model', 'ModelMetadata', { name: 'nope' }),
  unary('metadata of an unknown version', 'ModelMetadata', { name: 'add', version: '9' }),
  unary('configuration', 'ModelConfig', { name: 'batched' }),
  unary('configuration with a queue policy', 'ModelConfig', { name: 'delay' }),
  unary('configuration of an unknown model', 'ModelConfig', { name: 'nope' }),
  unary('statistics of an unknown model', 'ModelStatistics', { name: 'nope' }),
  unary('statistics of an unknown version', 'ModelStatistics', { name: 'add', version: '9' }),
  unary('statistics of no version', 'ModelStatistics', { name: 'add', version: 'x' }),

  infer('raw', { inputs: RAW, raw_input_contents: [ROW, ROW] }),
  infer('raw, with an id', { inputs: RAW, raw_input_contents: [ROW, ROW], id: 'seven' }),
  infer('typed'),
  infer('one output', {
    inputs: RAW,
    raw_input_contents: [ROW, ROW],
    ...outputs({ name: 'diff' }),
  }),
  infer('unknown output', outputs({ name: 'nope' })),
  infer('classification', {
    inputs: RAW,
    raw_input_contents: [ROW, ROW],
    ...outputs({ name: 'sum', parameters: { classification: { int64_param: 2 } } }),
  }),
  infer('unknown model', { model_name: 'nope' }),
  infer('unknown version', { model_version: '9' }),
  infer('no number for a version', { model_version: 'x' }),
  infer('an input missing', { inputs: [A] }),
  infer('no input', { inputs: [] }),
  infer('wrong name', { inputs: [A, input('z')] }),
  infer('wrong datatype', { inputs: [A, input('b', { datatype: 'FP32' })] }),
  infer('wrong shape', { inputs: [A, input('b', { shape: [1, 3] })] }),
  infer('too few elements', { inputs: [A, input('b', { contents: { int_contents: [1] } })] }),
  infer('too few raw bytes', { inputs: RAW, raw_input_contents: [ROW, int32(1)] }),
  infer('too few raw contents', { inputs: RAW, raw_input_contents: [ROW] }),
  infer('raw and typed', { raw_input_contents: [ROW, ROW] }),
  infer('parameters of one’s own', {
    inputs: RAW,
    raw_input_contents: [ROW, ROW],
    parameters: { mine: text('x') },
  }),
  infer('a reserved parameter', { parameters: { triton_mine: { int64_param: 1 } } }),

  load('load', {}),
  load('load with a configuration', { config: text('{"max_batch_size": 0}') }),
  load('load with an unknown parameter', { nope: text('x') }),
  load('load with a configuration of another type', { config: { int64_param: 5 } }),
  load('load what is not there', {}, 'nope'),
  unary('unload with a wrong parameter', 'RepositoryModelUnload', {
    model_name: 'loaded',
    parameters: { unload_dependents: text('x') },
  }),
  unary('unload', 'RepositoryModelUnload', { model_name: 'loaded' }),
  unary('unload what is not there', 'RepositoryModelUnload', { model_name: 'nope' }),
  unary('index of a named repository', 'RepositoryIndex', { repository_name: 'x' }),
  unary('index of the ready', 'RepositoryIndex', { ready: true }),
  unary('log settings', 'LogSettings', {}),
  unary('set the log', 'LogSettings', { settings: { log_format: text('ISO8601') } }),
  unary('set the log back', 'LogSettings', { settings: { log_format: text('default') } }),
  unary('set an unknown log setting', 'LogSettings', { settings: { nope: text('x') } }),
  {
    title: 'gRPC stream',
    ask: (server) =>
      stream(server, [
        sleep(300, '1'),
        add({ id: '2', inputs: RAW, raw_input_contents: [ROW, ROW] }),
        add({ id: '3', model_name: 'nope' }),
        add({ id: '4', inputs: [A] }),
        add({
          id: '5',
          inputs: RAW,
          raw_input_contents: [ROW, ROW],
          parameters: { triton_enable_empty_final_response: { bool_param: true } },
        }),
      ]),
  },
];
