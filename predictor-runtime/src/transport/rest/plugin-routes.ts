/** The custom endpoints of plugins as routes of the server. */

import { ERROR_TABLE, type InferenceError } from '../../protocol/errors.ts';
import { decodeInferRequest, encodeInferResponse } from '../../protocol/v2/json.ts';
import type { PluginReply, PluginRequest, ServerPlugin } from '../access/server-plugin.ts';
import { readBody } from './body.ts';
import { type Handler, json, type Reply, type RestOptions, type Routes } from './reply.ts';

/** @throws Error when two plugins claim a route. */
export function pluginRoutes(plugins: readonly ServerPlugin[]): Routes {
  const routes: Record<string, Handler> = {};
  for (const { name, routes: own = {} } of plugins) {
    for (const [route, handler] of Object.entries(own)) {
      if (!/^[A-Z]+ \//.test(route))
        throw new Error(`plugin '${name}': '${route}' is no METHOD /path`);
      if (routes[route]) throw new Error(`plugin '${name}': '${route}' belongs to another plugin`);
      routes[route] = async ({ req, params, query }, context) => {
        const request: PluginRequest = {
          method: req.method ?? 'GET',
          params,
          query: new URLSearchParams(query),
          headers: req.headers as PluginRequest['headers'],
          body: await readBody(req, { limit: context.maxBodyBytes }),
          infer: (model, body) => infer(model, body, context),
        };
        return replyOf(await handler(request));
      };
    }
  }
  return routes;
}

function replyOf({ status = 200, type, body = '' }: PluginReply): Reply {
  if (typeof body === 'string' || Buffer.isBuffer(body)) {
    return { status, body, type: type ?? 'text/plain; charset=utf-8' };
  }
  return { ...json(body, status), type };
}

/** An inference as a caller of the API would have it, errors as answers included. */
async function infer(name: string, body: object, { dataPlane }: RestOptions): Promise<object> {
  try {
    const request = decodeInferRequest(JSON.stringify(body));
    const response = await dataPlane.infer(name, {}, request);
    return JSON.parse(encodeInferResponse(response, { ...request, binaryOutputs: false }).json);
  } catch (error) {
    const { code, message } = error as InferenceError;
    if (code === undefined || !(code in ERROR_TABLE)) throw error;
    return { error: message };
  }
}
