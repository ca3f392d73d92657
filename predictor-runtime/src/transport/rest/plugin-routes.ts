/** The custom endpoints of plugins as routes of the server. */

import { InferenceError, invalid } from '../../protocol/errors.ts';
import { decodeInferRequest, encodeInferResponse } from '../../protocol/v2/json.ts';
import type { PluginReply, PluginRequest, ServerPlugin } from '../access/server-plugin.ts';
import { readBody } from './body.ts';
import { callOf } from './inference.ts';
import {
  type Exchange,
  type Handler,
  json,
  type Reply,
  type RestContext,
  type Routes,
} from './reply.ts';

/** Makes routes of the plugins' endpoints. @throws Error when two plugins claim a route. */
export function pluginRoutes(plugins: readonly ServerPlugin[]): Routes {
  const routes: Record<string, Handler> = {};
  for (const { name, routes: own = {} } of plugins) {
    for (const [route, handler] of Object.entries(own)) {
      if (!/^[A-Z]+ \//.test(route))
        throw new Error(`plugin '${name}': '${route}' is no METHOD /path`);
      if (routes[route]) throw new Error(`plugin '${name}': '${route}' belongs to another plugin`);
      routes[route] = async (exchange, context) => {
        const { req, params, query } = exchange;
        const request: PluginRequest = {
          method: req.method ?? 'GET',
          params: { ...params },
          query: new URLSearchParams(query),
          headers: req.headers as PluginRequest['headers'],
          body: await readBody(req, { limit: context.maxBodyBytes }),
          infer: (model, body) => infer(exchange, context, { model, body }),
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

/** Writes a plugin's request as JSON. @throws InferenceError INVALID_ARGUMENT when it has no form there. */
function textOf(body: object): string {
  try {
    return JSON.stringify(body);
  } catch (error) {
    throw invalid(`body cannot be written as JSON: ${(error as Error).message}`);
  }
}

/** Runs an inference for a plugin, as the caller of its route; an error becomes the answer that the API has for it. */
async function infer(
  exchange: Exchange,
  { envelope, dataPlane }: RestContext,
  { model, body }: { model: string; body: object },
): Promise<object> {
  const target = { verb: 'infer', model, choice: {} } as const;
  try {
    return await envelope.answer(callOf(exchange, target), {
      receive: () => textOf(body),
      answer: async (text, options) => {
        const request = decodeInferRequest(text);
        const response = await dataPlane.infer({ name: model, choice: {} }, request, options);
        return JSON.parse(encodeInferResponse(response, { ...request, binaryOutputs: false }).json);
      },
    });
  } catch (error) {
    if (!(error instanceof InferenceError)) throw error;
    return { error: error.message };
  }
}
