/** The routes about the server as a whole: health, metadata, metrics, logging. */

import { fields } from '../../protocol/v2/json.ts';
import { logSettings, setLogSettings } from '../../protocol/v2/logging.ts';
import { SERVER_METADATA } from '../../protocol/v2/server-metadata.ts';
import { json, type Routes, readiness } from './reply.ts';
import { readJson } from './text.ts';

const metadata = () => json(SERVER_METADATA);

export const SERVER_ROUTES: Routes = {
  'GET /': () => json({ status: 'alive' }),
  // Probes of TorchServe and of platforms that took its path over ask this.
  'GET /ping': () => json({ status: 'Healthy' }),
  'GET /v2': metadata,
  'GET /v2/health/live': () => json({ live: true }),
  'GET /v2/health/ready': (_, { dataPlane }) =>
    readiness(dataPlane.notReadyReason(), { ready: true }),
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
