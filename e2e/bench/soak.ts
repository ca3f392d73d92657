/**
 * `npm run soak`: full load for an hour, and what became of the server's memory. Three models at once, one inside the
 * server's process, one in a process of its own, and one that is read here; small requests, and some of 300 KB.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../harness/cluster.ts';
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
const clients = [
  ['iris', { name: 'X', ...FLOWER }],
  ['iris', { name: 'X', ...GARDEN }],
  ['digits', { name: 'image', ...PICTURE }],
  ['forest', { name: 'x', ...FLOWER }],
].map(([name, input]) => {
  const loop = join(ROOT, 'e2e/bench/closed-loop.ts');
  const url = `${server.url}/v2/models/${name}/infer`;
  const child = spawn(process.execPath, [loop, url, '4', String(seconds)], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  child.stdin.end(JSON.stringify({ inputs: [input] }));
  return once(child, 'exit');
});
const samples: number[] = [];
const sampling = setInterval(() => samples.push(server.rssBytes()), SAMPLE_MS);
const codes = (await Promise.all(clients)).map(([code]) => code);
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
const isFine = codes.every((code) => code === 0) && ratio <= GROWTH;
console.log(isFine ? 'flat' : `not flat, or a client failed (${codes})`);
process.exit(isFine ? 0 : 1);
