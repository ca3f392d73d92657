/** Loading and unloading by API. Source: Triton, model repository extension; the answers' bodies are KServe's. */
import { invalid } from '../../protocol/errors.ts';
import { base64, fields } from '../../protocol/v2/json.ts';
import type { LoadOverride } from '../../serving/repository/repository.ts';
import { type Exchange, json, type RestContext, type Routes } from './reply.ts';
import { readJson } from './text.ts';

export const REPOSITORY_ROUTES: Routes = {
  'POST /v2/repository/index': async (exchange, context) => {
    const { ready } = await bodyOf(exchange, context);
    const index = await context.repository.index();
    return json(ready === true ? index.filter(({ state }) => state === 'READY') : index);
  },
  'POST /v2/repository/models/{name}/load': async (exchange, context) => {
    const { name = '' } = exchange.params;
    const { parameters } = await bodyOf(exchange, context);
    await context.repository.load(name, override(parameters));
    return json({ name, load: true });
  },
  'POST /v2/repository/models/{name}/unload': async (exchange, context) => {
    const { name = '' } = exchange.params;
    const { parameters = {} } = await bodyOf(exchange, context);
    const { unload_dependents: dependents } = fields(parameters, 'parameters');
    await context.repository.unload(name, { dependents: dependents === true });
    return json({ name, unload: true });
  },
};

async function bodyOf({ req }: Exchange, { maxBodyBytes }: RestContext) {
  return fields((await readJson(req, { limit: maxBodyBytes })) ?? {}, 'body');
}

function override(value: unknown): LoadOverride | undefined {
  if (value === undefined) return undefined;
  const parameters = fields(value, 'parameters');
  const files = new Map<string, Buffer>();
  for (const [key, content] of Object.entries(parameters)) {
    if (key.startsWith('file:')) files.set(key.slice(5), base64(content, `parameters.${key}`));
    else if (key !== 'config') throw invalid(`parameters.${key}: expected config or file:PATH`);
  }
  const { config } = parameters;
  if (config !== undefined && typeof config !== 'string') {
    throw invalid('parameters.config: expected a string with the configuration in JSON');
  }
  return { config, files };
}
