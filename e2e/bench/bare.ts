/**
 * Models by themselves, with no server around them. Prints {us, cpuUs} of a call, or {rowsPerSecond} of the best batch.
 * usage: bare run MODEL INPUT DATATYPE SHAPE SECONDS | bare predict FILE ROWS WIDTH SECONDS THREADS | bare batch MODEL
 *        INPUT DATATYPE ROW_SHAPE THREADS SECONDS
 */
import { OrtSession } from '../../predictor-runtime/src/engine/onnx/ort-session.ts';
import { openTabularModel } from '../../predictor-runtime/src/engine/tabular/tabular-engine.ts';
import { openTabularFile } from '../../predictor-runtime/src/formats/tabular-file.ts';
import { allocate, type Datatype } from '../../predictor-runtime/src/protocol/v2/datatypes.ts';

const [what, file = '', ...rest] = process.argv.slice(2);
const BATCHES = [1, 2, 4, 8, 16, 32];
const WARM_UP_MS = 1000;

function tensor(name: string, datatype: Datatype, shape: readonly number[]) {
  const data = allocate(
    datatype,
    shape.reduce((product, dim) => product * dim, 1),
  );
  return { name, datatype, shape, data };
}

async function timed(seconds: number, call: () => unknown): Promise<{ us: number; cpuUs: number }> {
  // Threads have started by then, and code is compiled.
  const warm = performance.now() + WARM_UP_MS;
  while (performance.now() < warm) await call();
  const cpu = process.cpuUsage();
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < seconds * 1000) {
    await call();
    count++;
  }
  const { user, system } = process.cpuUsage(cpu);
  return { us: ((performance.now() - start) / count) * 1000, cpuUs: (user + system) / count };
}

/** Opens a model of rows and columns, and returns its call: on this thread, or on several as a server makes it. */
async function predictor(rows: number, width: number, threads: number): Promise<() => unknown> {
  const data = Float64Array.from({ length: rows * width }, (_, i) => Math.fround(Math.sin(i) * 2));
  if (threads === 1) {
    const [output] = (await openTabularFile(file)).outputs;
    return () => output?.compute({ rows, width, data });
  }
  const options = { path: file, parameters: {}, predictProba: false, threads };
  const engine = await openTabularModel(options);
  const [input] = engine.inputs;
  const [output] = engine.outputs;
  if (input === undefined || output === undefined) throw new Error(`${file} has no tensors`);
  const { name, datatype } = input;
  const values = datatype === 'FP32' ? Float32Array.from(data) : data;
  const request = [{ name, datatype, shape: [rows, width], data: values }];
  return () => engine.run(request, [output.name], {});
}

if (what === 'predict') {
  const [rows, width, seconds, threads] = rest.map(Number) as [number, number, number, number];
  console.log(JSON.stringify(await timed(seconds, await predictor(rows, width, threads))));
  // Its threads go on as a server's would.
  process.exit(0);
} else {
  const [name = '', datatype, shape = '', ...numbers] = rest;
  const dims = shape.split(',').map(Number);
  const isBatch = what === 'batch';
  const [threads, seconds] = (isBatch ? numbers : [1, ...numbers]).map(Number) as [number, number];
  const session = await OrtSession.open(file, { threads, arenaBytes: 0 });
  const outputs = session.outputs.map((output) => output.name);
  const run = (dimensions: readonly number[]) => {
    const input = tensor(name, datatype as Datatype, dimensions);
    return timed(seconds, () => session.run([input], outputs, {}));
  };
  if (!isBatch) console.log(JSON.stringify(await run(dims)));
  else {
    let rowsPerSecond = 0;
    for (const batch of BATCHES) {
      const { us } = await run([batch, ...dims]);
      rowsPerSecond = Math.max(rowsPerSecond, (batch / us) * 1e6);
    }
    console.log(JSON.stringify({ rowsPerSecond }));
  }
}
