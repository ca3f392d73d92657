/** What the server does around an inference is the same, whichever transport carries it and whichever verb asks. */
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { expect } from 'chai';
import { ERROR_TABLE, type ErrorCode } from '../src/protocol/errors.ts';
import { type GrpcClient, openGrpc, service } from './grpc-client.ts';
import { keptLog } from './kept-log.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { eventually, withServer } from './server.ts';
import { TraceCollector } from './trace-collector.ts';

/** Waits as long as its input says, in ms, and answers it. */
const WAIT = `
const tensor = { datatype: 'FP32', shape: [-1] };
export const inputs = [{ name: 'ms', ...tensor }];
export const outputs = [{ name: 'waited', ...tensor }];
export async function infer({ ms }) {
  await new Promise((resolve) => setTimeout(resolve, ms.data[0]));
  return { waited: ms };
}
export const explain = infer;
`;

const PLUGIN = `
export const routes = {
  'POST /wait/{model}': async ({ params, body, infer }) => ({
    body: await infer(params.model, JSON.parse(body)),
  }),
};
`;

interface Sent {
  readonly model: string;
  readonly ms: number;
  readonly headers: Readonly<Record<string, string>>;
}

interface Outcome {
  readonly error: string | undefined;
  /** The transport's own status; undefined where a plugin makes the answer. */
  readonly status: number | undefined;
}

interface Way {
  readonly name: string;
  readonly span: 'infer' | 'explain';
  statusOf(code: ErrorCode | 'OK'): number | undefined;
  send(server: { url: string; grpc: GrpcClient }, sent: Sent): Promise<Outcome>;
}

const http = (code: ErrorCode | 'OK') => (code === 'OK' ? 200 : ERROR_TABLE[code].http);
const grpc = (code: ErrorCode | 'OK') => (code === 'OK' ? 0 : ERROR_TABLE[code].grpc);

async function post(url: string, headers: Sent['headers'], body: object): Promise<Outcome> {
  const reply = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  const { error } = (await reply.json()) as { error?: string };
  return { error, status: reply.status };
}

const v2 = (ms: number) => ({ inputs: [{ name: 'ms', datatype: 'FP32', shape: [1], data: [ms] }] });
const message = ({ model, ms }: Sent) => ({
  model_name: model,
  inputs: [{ name: 'ms', datatype: 'FP32', shape: [1], contents: { fp32_contents: [ms] } }],
});

function metadataOf(headers: Sent['headers']): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

const WAYS: readonly Way[] = [
  {
    name: 'REST V2',
    span: 'infer',
    statusOf: http,
    send: ({ url }, { model, ms, headers }) =>
      post(`${url}/v2/models/${model}/infer`, headers, v2(ms)),
  },
  {
    name: 'REST V1, predict',
    span: 'infer',
    statusOf: http,
    send: ({ url }, { model, ms, headers }) =>
      post(`${url}/v1/models/${model}:predict`, headers, { instances: [ms] }),
  },
  {
    name: 'REST V1, regress',
    span: 'infer',
    statusOf: http,
    send: ({ url }, { model, ms, headers }) =>
      post(`${url}/v1/models/${model}:regress`, headers, { examples: [{ ms }] }),
  },
  {
    name: 'REST V1, explain',
    span: 'explain',
    statusOf: http,
    send: ({ url }, { model, ms, headers }) =>
      post(`${url}/v1/models/${model}:explain`, headers, { instances: [ms] }),
  },
  {
    name: 'gRPC',
    span: 'infer',
    statusOf: grpc,
    send: ({ grpc: client }, sent) =>
      client.call('ModelInfer', message(sent), { metadata: metadataOf(sent.headers) }).then(
        () => ({ error: undefined, status: 0 }),
        ({ details, code }: ServiceError) => ({ error: details, status: code }),
      ),
  },
  {
    name: 'gRPC, a stream',
    span: 'infer',
    statusOf: () => undefined,
    send: ({ grpc: { client } }, sent) => {
      const { path, requestSerialize, responseDeserialize } = service.ModelStreamInfer as never;
      const metadata = metadataOf(sent.headers);
      const stream = client.makeBidiStreamRequest<object, { error_message: string }>(
        path,
        requestSerialize,
        responseDeserialize,
        metadata,
      );
      stream.write(message(sent));
      stream.end();
      return new Promise((resolve, reject) => {
        stream.on('data', ({ error_message: error }) =>
          resolve({ error: error || undefined, status: undefined }),
        );
        stream.on('error', reject);
      });
    },
  },
  {
    name: "a plugin's route",
    span: 'infer',
    statusOf: () => undefined,
    send: async ({ url }, { model, ms, headers }) => {
      const { error } = await post(`${url}/wait/${model}`, headers, v2(ms));
      return { error, status: undefined };
    },
  },
];

describe('the envelope of an inference', () => {
  for (const { name, span, statusOf, send } of WAYS) {
    it(`is the same for ${name}`, async () => {
      using collector = await TraceCollector.listen();
      using folder = new RepositoryFolder({
        'models/m/model.mjs': WAIT,
        'models/broken/model.mjs': 'export const nothing = 1;',
        'plugins/wait.mjs': PLUGIN,
      });
      const config = {
        modelRepository: [`${folder.dir}/models`],
        pluginsDir: `${folder.dir}/plugins`,
        allowModelCode: true,
        logRequests: true,
        grpcPort: 0,
      };
      const { log, lines } = keptLog();
      const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint };
      let metrics = '';
      const outcomes: Outcome[] = [];
      await withServer(
        config,
        async (url, server) => {
          using grpcClient = openGrpc(server.grpcPort);
          const parent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
          const ask = async (model: string, ms: number, headers = {}) => {
            const sent = { model, ms, headers: { traceparent: parent, ...headers } };
            outcomes.push(await send({ url, grpc: grpcClient }, sent));
          };
          await ask('m', 1);
          await ask('m', 5000, { 'x-request-timeout-ms': '50' });
          await ask('m', 5000, { 'x-envoy-expected-rq-timeout-ms': '60' });
          await ask('m', 1, { 'x-request-timeout-ms': 'soon' });
          await ask('broken', 1);
          await ask('unknown', 1);
          metrics = await (await fetch(`${url}/metrics`)).text();
        },
        env,
        log,
      );
      await eventually(
        async () => collector.spans.filter((found) => found.name === span).length === 5,
      );

      const broken = /failed to load: Node cannot load .*: the module must export inputs/;
      expect(outcomes[4]?.error).to.match(broken);
      // The server names its models in the order in which it found them.
      const unordered = (error?: string) => error?.replace('has m, broken', 'has broken, m');
      expect(outcomes.map(({ status, error }) => [status, unordered(error)])).to.deep.equal([
        [statusOf('OK'), undefined],
        [statusOf('DEADLINE_EXCEEDED'), "model 'm' did not answer within 50 ms"],
        [statusOf('DEADLINE_EXCEEDED'), "model 'm' did not answer within 60 ms"],
        [
          statusOf('INVALID_ARGUMENT'),
          "x-request-timeout-ms: expected a number of milliseconds, got 'soon'",
        ],
        [statusOf('MODEL_NOT_READY'), outcomes[4]?.error],
        [statusOf('NOT_FOUND'), "model 'unknown' is not found; this server has broken, m"],
      ]);

      const count = /^(wherry_inference_requests_total|request_predict_seconds_count)\{.*$/gm;
      expect((metrics.match(count) ?? []).sort()).to.deep.equal([
        'request_predict_seconds_count{model_name="broken"} 1',
        'request_predict_seconds_count{model_name="m"} 4',
        'wherry_inference_requests_total{model="broken",code="503"} 1',
        'wherry_inference_requests_total{model="m",code="200"} 1',
        'wherry_inference_requests_total{model="m",code="400"} 1',
        'wherry_inference_requests_total{model="m",code="504"} 2',
      ]);

      const told = lines.filter((line) => line.message === 'inference');
      expect(told.map(({ seconds: _, ...line }) => line)).to.deep.equal(
        [
          ['m', 200],
          ['m', 504],
          ['m', 504],
          ['m', 400],
          ['broken', 503],
        ].map(([model, status]) => ({ level: 'info', message: 'inference', model, status })),
      );
      expect(told.every(({ seconds }) => typeof seconds === 'number' && seconds < 5)).to.equal(
        true,
      );

      const roots = collector.spans.filter((found) => found.name === span);
      expect(new Set(roots.map((found) => found.traceId))).to.deep.equal(new Set(['a'.repeat(32)]));
      expect(roots.map((found) => found.parentSpanId === 'b'.repeat(16))).not.to.include(false);
      expect(roots.filter((found) => found.status.code === 2)).to.have.length(4);
      const served = roots.find((found) => found.status.code !== 2);
      const stages = collector.spans.filter((found) => found.parentSpanId === served?.spanId);
      expect(stages.map((found) => found.name).sort()).to.deep.equal(['batch', 'compute', 'queue']);
    });
  }
});
