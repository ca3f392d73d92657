/** Load on a server by a generator of its own process: what is asked, how long, and what it saw. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ROOT } from '../harness/cluster.ts';
import { run } from '../harness/shell.ts';
import { pinned } from './cores.ts';
import { ghzProgram, wrkProgram } from './generators.ts';

/** Raw bytes of one tensor, as ModelInfer takes them. */
export interface GrpcTensor {
  readonly model: string;
  readonly input: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** One request, sent again and again. */
export interface LoadRequest {
  readonly path: string;
  readonly body: Buffer;
  readonly headers?: readonly string[];
  /** Sent over gRPC instead, with `body` as the tensor's bytes. */
  readonly grpc?: GrpcTensor;
}

/** Who asks: as many clients as connections (streams over gRPC), each with one request on its way. */
export interface LoadOptions {
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second; as many as are answered when left out. */
  readonly rate?: number;
  /** Core of the generator; any when left out. */
  readonly core?: number;
}

/** What a generator has seen: latencies in ms. */
export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
}

/** Address of a server, by protocol. */
export interface Address {
  readonly url: string;
  readonly grpc: string;
}

/** @throws Error when anything but answers of success came. */
export async function load(
  address: Address,
  request: LoadRequest,
  options: LoadOptions,
): Promise<LoadResult> {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-load-'));
  try {
    const file = join(dir, 'body');
    if (request.grpc === undefined) {
      writeFileSync(file, request.body);
      return await wrk(`${address.url}${request.path}`, { file, request, options });
    }
    writeFileSync(file, inferMessage(request.grpc, request.body));
    return await ghz(address.grpc, { file, options });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

interface WrkInput {
  readonly file: string;
  readonly request: LoadRequest;
  readonly options: LoadOptions;
}

async function wrk(url: string, { file, request, options }: WrkInput): Promise<LoadResult> {
  const { connections, seconds, rate, core } = options;
  const { command, env } = await wrkProgram();
  const result = `${file}.result`;
  const script = join(ROOT, 'e2e/bench/wrk.lua');
  const flags = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout=30s', '-s', script, url];
  await run(...pinned(core, command, flags), {
    env: {
      ...env,
      BENCH_BODY: file,
      BENCH_RESULT: result,
      BENCH_HEADERS: (request.headers ?? []).join('\n'),
      ...(rate === undefined ? {} : { BENCH_RATE: String(rate) }),
    },
  });
  const { errors, ...seen } = JSON.parse(readFileSync(result, 'utf8'));
  return checked(`wrk at ${url}`, seen, errors);
}

const PROTOS = join(ROOT, 'predictor-runtime/src/transport/grpc');

interface GhzReport {
  readonly count: number;
  /** In nanoseconds. */
  readonly total: number;
  readonly latencyDistribution: readonly { percentage: number; latency: number }[] | null;
  readonly statusCodeDistribution: Readonly<Record<string, number>>;
}

async function ghz(
  address: string,
  { file, options }: { file: string; options: LoadOptions },
): Promise<LoadResult> {
  const { connections, seconds, rate, core } = options;
  const { command, env } = await ghzProgram();
  const output = `${file}.json`;
  await run(
    ...pinned(core, command, [
      ...[
        '--insecure',
        '--disable-template-data',
        '--disable-template-functions',
        '--proto',
        join(PROTOS, 'inference.proto'),
        '--import-paths',
        PROTOS,
      ],
      ...['--call', 'inference.GRPCInferenceService/ModelInfer', '--binary-file', file],
      ...['--concurrency', String(connections), '--connections', '1'],
      ...['--duration', `${seconds}s`, '--duration-stop', 'wait', '--timeout', '30s'],
      ...(rate === undefined ? [] : ['--rps', String(rate)]),
      ...['--format', 'json', '--output', output, address],
    ]),
    { env },
  );
  if (!existsSync(output)) throw new Error(`ghz at ${address} wrote no report`);
  const report: GhzReport = JSON.parse(readFileSync(output, 'utf8'));
  const at = (percentage: number) =>
    (report.latencyDistribution?.find((one) => one.percentage === percentage)?.latency ??
      Number.NaN) / 1e6;
  const answered = report.statusCodeDistribution.OK ?? 0;
  const seen = { requests: answered, seconds: report.total / 1e9, p50: at(50), p99: at(99) };
  return checked(`ghz at ${address}`, seen, report.count - answered);
}

function checked(who: string, seen: LoadResult, errors: number): LoadResult {
  if (errors > 0) throw new Error(`${who}: ${errors} of ${seen.requests + errors} requests failed`);
  if (seen.requests === 0) throw new Error(`${who}: no request was answered`);
  return seen;
}

function inferMessage({ model, input, datatype, shape }: GrpcTensor, body: Buffer): Buffer {
  const options = { keepCase: true, includeDirs: [PROTOS] };
  const service = loadSync(join(PROTOS, 'inference.proto'), options)[
    'inference.GRPCInferenceService'
  ] as ServiceDefinition;
  return (service.ModelInfer as ServiceDefinition[string]).requestSerialize({
    model_name: model,
    inputs: [{ name: input, datatype, shape }],
    raw_input_contents: [body],
  });
}
