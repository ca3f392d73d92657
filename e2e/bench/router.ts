/** What the router costs: iris through Envoy, under our own control plane, against direct. */
import { join } from 'node:path';
import { RouterFleet } from '../../operator/src/router/fleet.ts';
import { RouterControl } from '../../operator/src/router/router-control.ts';
import { HTTP_PORT } from '../../operator/src/router/shared-resources.ts';
import { ROOT } from '../harness/cluster.ts';
import { startEnvoy } from '../harness/envoy.ts';
import { eventually } from '../harness/load.ts';
import { run } from '../harness/shell.ts';
import type { LoopResult } from './loop-result.ts';
import { median } from './report.ts';
import { launch, wherry } from './servers.ts';

const XDS_PORT = 18_012;
const HOST = 'iris-default.example.com';
const CONNECTIONS = '16';
const BODY = Buffer.from(
  '{"inputs":[{"name":"X","datatype":"FP32","shape":[1,4],"data":[6.8,2.8,4.8,1.4]}]}',
);

/** Ratios of medians. */
export async function measureRouter({ seconds, rounds }: { seconds: string; rounds: number }) {
  const server = await launch(
    wherry('--model_name=iris', '--storage_uri=builtin://iris', '--threads=1'),
  );
  const stop = await startRouter(Number(new URL(server.url).port));
  const urls = [server.url, `http://127.0.0.1:${HTTP_PORT}`];
  const loops: LoopResult[][] = [[], []];
  for (let round = 1; round <= rounds; round++) {
    for (const [i, url] of urls.entries()) {
      process.stderr.write(`router, round ${round} of ${rounds}: ${url}\n`);
      const script = join(ROOT, 'e2e/bench/closed-loop.ts');
      const args = [script, `${url}/v2/models/iris/infer`, CONNECTIONS, seconds, `Host: ${HOST}`];
      loops[i]?.push(JSON.parse(await run(process.execPath, args, { input: BODY })));
    }
  }
  stop();
  await server.stop();
  const of = (i: number, value: (loop: LoopResult) => number) =>
    median((loops[i] ?? []).map(value));
  const over = (value: (loop: LoopResult) => number) => of(1, value) / of(0, value);
  return {
    requestsPerSecond: over(({ requests, seconds: took }) => requests / took),
    p50: over(({ p50 }) => p50),
    p99: over(({ p99 }) => p99),
  };
}

async function startRouter(port: number): Promise<() => void> {
  const fleet = new RouterFleet();
  const control = new RouterControl({
    onFacts: (facts) => void fleet.apply(facts),
    onFailure: (error) => {
      throw error;
    },
  });
  const key = 'default/iris';
  const ref = {
    namespace: 'default',
    service: 'iris',
    component: 'predictor',
    revision: 1,
  } as const;
  control.update([
    {
      key,
      entry: {
        route: {
          key,
          hosts: [HOST],
          timeoutSeconds: 60,
          targets: [{ ref, percent: 100, weight: 100, grpc: false }],
        },
        clusters: [
          {
            ref,
            port: 'http',
            protocol: 'http1',
            endpoints: [{ address: '127.0.0.1', port, state: 'healthy' }],
          },
        ],
      },
    },
  ]);
  await control.listen(`127.0.0.1:${XDS_PORT}`);
  const binary = (await run(join(ROOT, 'e2e/images/envoy'), [])).trim();
  const envoy = await startEnvoy(binary, { xdsPort: XDS_PORT });
  await eventually('the route is acknowledged', () => fleet.acknowledged(key));
  return () => {
    envoy.stop();
    void control.close();
  };
}
