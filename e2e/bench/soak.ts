/**
 * `npm run soak`: full load for an hour, and what became of the server's memory. Three models at once, one inside the
 * server's process, one in a process of its own, and one that is read here; small requests, and some of 300 KB.
 */
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../harness/cluster.ts';
import { load } from './load.ts';
import { reason } from './measure.ts';
import { inferPath } from './own-models.ts';
import { median } from './report.ts';
import { bundleWherry, launch, modelFolder, wherry } from './servers.ts';

const HELP = `npm run soak -- [--minutes N]

Ends with 1 when the memory of the last third of the time is more than 5 % above that of the second.`;

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log(HELP);
  process.exit(0);
}

const SAMPLE_MS = 5000;
const GROWTH = 1.05;
const FLOWER = { datatype: 'FP32', shape: [1, 4], data: [6.8, 2.8, 4.8, 1.4] };
const PICTURE = {
  datatype: 'FP32',
  shape: [1, 1, 8, 8],
  data: Array.from({ length: 64 }, (_, i) => i / 64),
};

const GARDEN = {
  ...FLOWER,
  shape: [20_000, 4],
  data: Array.from({ length: 20_000 }, () => FLOWER.data).flat(),
};

const models = join(ROOT, 'predictor-runtime/test/models');
const repository = modelFolder({});
for (const [name, file] of [
  ['iris', join(ROOT, 'predictor-runtime/models/iris/model.onnx')],
  ['digits', join(models, 'digits_cnn/model.onnx')],
  ['forest', join(models, 'sklearn_iris_rf/model.joblib')],
] as const) {
  mkdirSync(join(repository, name));
  cpSync(file, join(repository, name, file.slice(file.lastIndexOf('/') + 1)));
}
bundleWherry();
const server = await launch(
  wherry(`--model_repository=${repository}`, '--executor=auto', '--threads=1'),
);

const seconds = Number(flags.minutes) * 60;
const CLIENTS = 4;
const clients = [
  ['iris', { name: 'X', ...FLOWER }],
  ['iris', { name: 'X', ...GARDEN }],
  ['digits', { name: 'image', ...PICTURE }],
  ['forest', { name: 'x', ...FLOWER }],
].map(([name, input]) => {
  const body = Buffer.from(JSON.stringify({ inputs: [input] }));
  const request = { path: inferPath(String(name)), body };
  return load(server, request, { connections: CLIENTS, seconds });
});
const samples: number[] = [];
const sampling = setInterval(() => samples.push(server.rssBytes()), SAMPLE_MS);
const failures = (await Promise.allSettled(clients)).flatMap((client) =>
  client.status === 'rejected' ? [reason(client.reason)] : [],
);
clearInterval(sampling);
await server.stop();

const third = Math.floor(samples.length / 3);
const before = median(samples.slice(third, 2 * third));
const after = median(samples.slice(2 * third));
const ratio = after / before;
const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
console.log(
  `${flags.minutes} min: ${mib(before)} in the second third, ${mib(after)} in the last: ${ratio.toFixed(3)}`,
);
const isFine = failures.length === 0 && ratio <= GROWTH;
console.log(isFine ? 'flat' : `not flat, or a client failed (${failures.join('; ')})`);
process.exit(isFine ? 0 : 1);
