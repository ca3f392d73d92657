/** The routes about the server as a whole: health, metadata, metrics, logging. */

import { fields } from '../../protocol/v2/json.ts';
import { logSettings, setLogSettings } from '../../protocol/v2/logging.ts';
import { SERVER_METADATA } from '../../protocol/v2/server-metadata.ts';
import type { StartTimes } from '../../serving/repository/repository.ts';
import { json, type Routes, readiness } from './reply.ts';
import { readJson } from './text.ts';

const metadata = () => json(SERVER_METADATA);

export const SERVER_ROUTES: Routes = {
  'GET /': () => json({ status: 'alive' }),
  // Probes of TorchServe and of platforms that took its path over ask this.
  'GET /ping': () => json({ status: 'Healthy' }),
  'GET /v2': metadata,
  'GET /v2/health/live': () => json({ live: true }),
  'GET /v2/health/ready': (_, { dataPlane, repository: { startTimes } }) => ({
    ...readiness(dataPlane.notReadyReason(), { ready: true }),
    ...(startTimes && { headers: { 'Server-Timing': serverTiming(startTimes) } }),
  }),
  'GET /metrics': async (_, { metrics }) => {
    return { status: 200, body: await metrics.text(), type: metrics.contentType };
  },
  'GET /v2/logging': (_, { log }) => json(logSettings(log)),
  'POST /v2/logging': async ({ req }, { log, maxBodyBytes }) => {
    const settings = fields(await readJson(req, { limit: maxBodyBytes }), 'body');
    setLogSettings(log, settings);
    return json(logSettings(log));
  },
};

/**
 * Tells who asks whether the server is ready what its start took, and how long it has been running: the operator finds
 * in it the parts of a cold start. Source: W3C, Server Timing.
 */
function serverTiming(times: StartTimes): string {
  return Object.entries({ ...times, uptime: performance.now() })
    .map(([name, ms]) => `${name};dur=${ms.toFixed(1)}`)
    .join(', ');
}
