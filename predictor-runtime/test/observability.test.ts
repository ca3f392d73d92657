/** What the server tells of its work: metrics by model and version, traces, and the request log. */
import { totalmem } from 'node:os';
import { expect } from 'chai';
import { processorTimes, utilization } from '../src/metrics/machine.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { call, eventually, withPredictor, withServer } from './server.ts';
import { TraceCollector } from './trace-collector.ts';

const add = (rows = 1) => ({
  inputs: ['a', 'b'].map((name) => ({
    name,
    datatype: 'INT32',
    shape: [rows, 4],
    data: new Array(rows * 4).fill(1),
  })),
});

describe('metrics', () => {
  it('tell how busy the processors were between two looks', () => {
    expect(utilization({ busy: 10, total: 100 }, { busy: 40, total: 200 })).to.equal(0.3);
    expect(utilization({ busy: 10, total: 100 }, { busy: 10, total: 100 })).to.equal(0);
    const { busy, total } = processorTimes();
    expect(busy).to.be.above(0).and.below(total);
  });

  it('count and time requests, queues, batches, runs and loads by model and version', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    const config = {
      modelRepository: [folder.dir],
      modelControlMode: 'explicit',
      loadModel: ['*'],
    } as const;
    await withServer(config, async (url) => {
      await call(`${url}/v2/models/add/infer`, add());
      await call(`${url}/v2/models/add/infer`, add());
      await call(`${url}/v2/models/add/infer`, {});
      const text = async () => (await fetch(`${url}/metrics`)).text();
      const version = '{model="add",version="1"}';
      for (const line of [
        `wherry_request_seconds_count${version} 2`,
        `wherry_queue_seconds_count${version} 2`,
        `wherry_compute_seconds_count${version} 2`,
        `wherry_batch_rows_sum${version} 2`,
        `wherry_load_seconds_count${version} 1`,
        `nv_inference_request_success${version} 2`,
        `nv_inference_count${version} 2`,
        `nv_inference_exec_count${version} 2`,
        `nv_inference_pending_request_count${version} 0`,
        'nv_inference_request_failure{model="add",version="1",reason="BACKEND"} 0',
        'wherry_inference_requests_total{model="add",code="400"} 1',
        '# TYPE nv_inference_count counter',
        'nodejs_eventloop_lag_p99_seconds',
        `nv_cpu_memory_total_bytes ${totalmem()}`,
      ]) {
        expect(await text()).to.contain(line);
      }
      const memory = /wherry_model_memory_bytes\{model="add",version="1"\} (\d+)/.exec(
        await text(),
      );
      expect(Number(memory?.[1])).to.be.above(1000);
      const used = Number(/^nv_cpu_memory_used_bytes (\S+)/m.exec(await text())?.[1]);
      expect(used).to.be.above(0).and.below(totalmem());
      const rate = Number(/^nv_cpu_utilization (\S+)/m.exec(await text())?.[1]);
      expect(rate).to.be.within(0, 1);
      await call(`${url}/v2/repository/models/add/unload`, {});
      expect(await text()).not.to.contain(`wherry_request_seconds_count${version}`);
      expect(await text()).not.to.contain(`nv_inference_count${version}`);
    });
  });
});

describe('traces', () => {
  it("continue the caller's trace through queue, batch and compute", async () => {
    using collector = await TraceCollector.listen();
    const { spans, endpoint } = collector;
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_TRACES_SAMPLER_ARG: '0' };
    const traceId = 'a'.repeat(32);
    const send = (url: string, flags: string, body: object) =>
      fetch(`${url}/v2/models/add/infer`, {
        method: 'POST',
        headers: { traceparent: `00-${traceId}-${'b'.repeat(16)}-${flags}` },
        body: JSON.stringify(body),
      });
    await withServer(
      { modelName: 'add', modelDir: `${folder.dir}/add` },
      async (url) => {
        await send(url, '01', add());
        await send(url, '00', add());
        await call(`${url}/v2/models/add/infer`, add());
        await send(url, '01', { inputs: [] });
      },
      env,
    );
    await eventually(async () => spans.length >= 5);
    expect(new Set(spans.map((span) => span.traceId))).to.deep.equal(new Set([traceId]));
    expect(spans.map(({ name }) => name).sort()).to.deep.equal([
      'batch',
      'compute',
      'infer',
      'infer',
      'queue',
    ]);
    const [served, failed] = ['queue', ''].map((child) =>
      spans.find(
        ({ name, spanId }) =>
          name === 'infer' &&
          (child === '') === !spans.some((span) => span.parentSpanId === spanId),
      ),
    );
    expect(served?.parentSpanId).to.equal('b'.repeat(16));
    expect(failed?.status.code).to.equal(2);
  });
});

describe('the request log', () => {
  it('has a line for each inference when asked for', async () => {
    using folder = new RepositoryFolder({ add: { model: 'add_two' } });
    const args = ['--model_name=add', `--model_dir=${folder.dir}/add`, '--log_requests'];
    await withPredictor(args, async ({ url, child }) => {
      const base = await url;
      let output = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        output += chunk;
      });
      await eventually(async () => (await fetch(`${base}/v2/health/ready`)).ok);
      await call(`${base}/v2/models/add/infer`, add());
      const line = await eventually(async () =>
        output.split('\n').find((text) => text.includes('"inference"')),
      );
      expect(JSON.parse(line)).to.include({
        level: 'info',
        message: 'inference',
        model: 'add',
        status: 200,
      });
    });
  });
});
