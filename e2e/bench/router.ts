/** What the router costs: iris through Envoy, under our own control plane, against direct. */
import { join } from 'node:path';
import { RouterFleet } from '../../operator/src/router/fleet.ts';
import { RouterControl } from '../../operator/src/router/router-control.ts';
import { HTTP_PORT } from '../../operator/src/router/shared-resources.ts';
import { ROOT } from '../harness/cluster.ts';
import { startEnvoy } from '../harness/envoy.ts';
import { eventually } from '../harness/load.ts';
import { run } from '../harness/shell.ts';
import { CLIENT_CORE, SERVER_CORE } from './cores.ts';
import { load } from './load.ts';
import type { Effort } from './measure.ts';
import { FLOWER, inferPath, rows } from './own-models.ts';
import { median } from './report.ts';
import { CONNECTIONS } from './scenario.ts';
import { launch, wherry } from './servers.ts';

const XDS_PORT = 18_012;
const HOST = 'iris-default.example.com';

/** Requests a second, direct and through the router: medians of interleaved rounds. */
export async function measureRouter({ seconds, rounds }: Effort) {
  const server = await launch(
    wherry('--model_name=iris', '--storage_uri=builtin://iris', '--threads=1'),
    SERVER_CORE,
  );
  const stop = await startRouter(Number(new URL(server.url).port));
  const request = {
    ...{ path: inferPath('iris'), body: rows('X', 1, FLOWER) },
    headers: [`Host: ${HOST}`],
  };
  const rates = { direct: [] as number[], router: [] as number[] };
  try {
    const options = { connections: CONNECTIONS, seconds, core: CLIENT_CORE };
    const ask = async (url: string) => {
      const seen = await load({ ...server, url }, request, options);
      return seen.requests / seen.seconds;
    };
    for (let round = 1; round <= rounds; round++) {
      process.stderr.write(`router, round ${round} of ${rounds}\n`);
      rates.direct.push(await ask(server.url));
      rates.router.push(await ask(`http://127.0.0.1:${HTTP_PORT}`));
    }
  } finally {
    stop();
    await server.stop();
  }
  return { direct: median(rates.direct), 'through the router': median(rates.router) };
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
