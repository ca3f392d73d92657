/** Loading and unloading by API. Source: Triton, model repository extension; the answers' bodies are KServe's. */
import { base64, fields } from '../../protocol/v2/json.ts';
import { loadOverride, unloadOptions } from '../repository-parameters.ts';
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
    const parameters = await parametersOf(exchange, context);
    await context.repository.load(name, loadOverride(parameters, base64));
    return json({ name, load: true });
  },
  'POST /v2/repository/models/{name}/unload': async (exchange, context) => {
    const { name = '' } = exchange.params;
    const parameters = await parametersOf(exchange, context);
    await context.repository.unload(name, unloadOptions(parameters));
    return json({ name, unload: true });
  },
};

async function bodyOf({ req }: Exchange, { maxBodyBytes }: RestContext) {
  return fields((await readJson(req, { limit: maxBodyBytes })) ?? {}, 'body');
}

async function parametersOf(exchange: Exchange, context: RestContext) {
  const { parameters } = await bodyOf(exchange, context);
  return fields(parameters ?? {}, 'parameters');
}
