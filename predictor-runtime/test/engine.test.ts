/** What the engine is told of the machine it runs on: execution providers, and models optimised before. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { InlineExecutor } from '../src/engine/inline-executor.ts';
import { chooseDevice, chooseProviders } from '../src/engine/onnx/provider-choice.ts';
import type { Tensor } from '../src/protocol/v2/types.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, withServer } from './server.ts';

const GPU = { hasNvidiaGpu: true, hasCudaLibrary: true };
const request = JSON.parse(
  readFileSync(fileURLToPath(new URL('models/digits_cnn/golden.json', import.meta.url)), 'utf8'),
).cases[0].request;

describe('execution providers', () => {
  it('by themselves: CUDA where both the GPU and the library are there', () => {
    expect(chooseProviders(['auto'], GPU)).to.deep.equal(['cuda']);
    expect(chooseProviders(['auto'], { ...GPU, hasNvidiaGpu: false })).to.deep.equal([]);
    expect(chooseProviders(['auto'], { ...GPU, hasCudaLibrary: false })).to.deep.equal([]);
  });

  it('as they are given, each once; the CPU is always there', () => {
    expect(chooseProviders(['tensorrt', 'auto', 'cuda', 'cpu'], GPU)).to.deep.equal([
      'tensorrt',
      'cuda',
    ]);
    expect(chooseProviders(['cpu'], GPU)).to.deep.equal([]);
  });

  it('are those of the device that a model asks for', () => {
    const none = { hasNvidiaGpu: false, hasCudaLibrary: false };
    expect(chooseDevice(undefined, ['auto'], GPU)).to.deep.equal({
      providers: ['auto'],
      device: 'gpu',
    });
    expect(chooseDevice(undefined, ['auto'], none)?.device).to.equal('cpu');
    expect(chooseDevice('gpu', ['auto'], GPU)?.device).to.equal('gpu');
    expect(chooseDevice('gpu', ['auto'], none)).to.equal(undefined);
    expect(chooseDevice('gpu', ['cpu'], GPU)).to.equal(undefined);
    expect(chooseDevice('cpu', ['tensorrt', 'auto', 'xnnpack'], GPU)).to.deep.equal({
      providers: ['xnnpack'],
      device: 'cpu',
    });
  });

  it('one that the library has not is told with those that it has', async () => {
    using folder = new RepositoryFolder({ digits: { model: 'digits_cnn' } });
    const options = { modelRepository: [folder.dir], executionProviders: ['openvino'] } as const;
    await withServer(options, async (url) => {
      const { json } = await call(`${url}/v2/models/digits/infer`, request);
      expect(json.error).to.match(
        /execution provider 'openvino' is not in this build of ONNX Runtime, which has .*CPUExecutionProvider/,
      );
    });
  });
});

describe('runs whose shapes come again', () => {
  const open = (model: string) =>
    InlineExecutor.start({
      path: fileURLToPath(new URL(`models/${model}/model.onnx`, import.meta.url)),
      dir: '',
      ...{ parameters: {}, predictProba: false, executionProviders: [] },
      ...{ threads: 1, arenaBytes: 0, memoryBytes: 0 },
    });
  const int64 = (name: string, shape: number[], values: bigint[]): Tensor => ({
    ...{ name, datatype: 'INT64', shape },
    data: BigInt64Array.from(values),
  });
  /** More than the pace needs to let a short run stay, and the tensors find their place. */
  const MANY = 300;

  it('give what was asked, when the shape of an output hangs on a value', async () => {
    const executor = await open('big_output');
    const shapeOf = async (...dims: bigint[]) =>
      (await executor.execute([int64('shape', [2], dims)], ['y']))[0]?.shape;
    for (let i = 0; i < MANY; i++) expect(await shapeOf(2n, 3n)).to.deep.equal([2, 3]);
    expect(await shapeOf(3n, 2n)).to.deep.equal([3, 2]);
    expect(await shapeOf(4n, 4n)).to.deep.equal([4, 4]);
    expect(await shapeOf(2n, 3n)).to.deep.equal([2, 3]);
    await executor.close();
  });

  it('go on after one that failed', async () => {
    const executor = await open('gather');
    const at = (index: bigint) =>
      executor.execute(
        [int64('index', [1], [index])],
        [executor.signature.outputs[0]?.name as string],
      );
    for (let i = 0; i < MANY; i++) {
      const [output] = await at(BigInt(i % 3));
      expect(Number(output?.data[0])).to.equal(10 * ((i % 3) + 1));
    }
    const error = await at(99n).catch((reason: Error) => reason.message);
    expect(error).to.match(/idx=99 must be within the inclusive range/);
    expect(Number((await at(1n))[0]?.data[0])).to.equal(20);
    await executor.close();
  });
});

describe('the cache of optimised models', () => {
  it('is filled by a start, used by the next, and mended when it is broken', async () => {
    using folder = new RepositoryFolder({ digits: { model: 'digits_cnn' } });
    const dir = mkdtempSync(join(tmpdir(), 'wherry-optimized-'));
    const answers: unknown[] = [];
    const start = () =>
      withServer({ modelRepository: [folder.dir], optimizedModelDir: dir }, async (url) => {
        const { status, json } = await call(`${url}/v2/models/digits/infer`, request);
        expect(status).to.equal(200);
        answers.push(json.outputs);
      });
    await start();
    const [file, ...others] = readdirSync(dir);
    expect(others).to.deep.equal([]);
    expect(file).to.match(/^[0-9a-f]{32}\.onnx$/);
    const path = join(dir, file as string);
    const optimized = readFileSync(path);
    await start();
    expect(readFileSync(path).equals(optimized)).to.equal(true);
    writeFileSync(path, 'broken');
    await start();
    expect(readFileSync(path).length).to.equal(optimized.length);
    expect(answers[1]).to.deep.equal(answers[0]);
    expect(answers[2]).to.deep.equal(answers[0]);
    rmSync(dir, { recursive: true });
  });

  it("are optimised as far as Triton's configuration lets them", async () => {
    const isFused: boolean[] = [];
    const answers: unknown[] = [];
    for (const level of [0, 2]) {
      using folder = new RepositoryFolder({ digits: { model: 'digits_cnn' } });
      folder.put('digits/config.pbtxt', `optimization { graph { level: ${level} } }`);
      const dir = mkdtempSync(join(tmpdir(), 'wherry-optimized-'));
      const options = { modelRepository: [folder.dir], optimizedModelDir: dir };
      await withServer(options, async (url) => {
        answers.push((await call(`${url}/v2/models/digits/infer`, request)).json.outputs[0].shape);
      });
      const [file = ''] = readdirSync(dir);
      isFused.push(readFileSync(join(dir, file)).includes('FusedGemm'));
      rmSync(dir, { recursive: true });
    }
    expect(answers[1]).to.deep.equal(answers[0]);
    expect(isFused).to.deep.equal([true, false]);
  });
});
