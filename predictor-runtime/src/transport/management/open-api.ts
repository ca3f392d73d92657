/** The description of the management API in OpenAPI, made of its calls. */
import type { CallReply, ManagementCall } from './calls.ts';

/** Makes the calls that describe the calls given, and themselves, as TorchServe does. */
export function descriptionCalls(calls: readonly ManagementCall[]): ManagementCall[] {
  const answer = (): CallReply => ({ json: description });
  const own: ManagementCall[] = [
    { method: 'options', path: '/', summary: 'Describe this API', answer },
    { method: 'get', path: '/api-description', summary: 'Describe this API', answer },
  ];
  const description = openApi([...own, ...calls]);
  return own;
}

function openApi(calls: readonly ManagementCall[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const call of calls) {
    const operations = paths[call.path] ?? {};
    operations[call.method] = operation(call);
    paths[call.path] = operations;
  }
  return { openapi: '3.0.1', info: { title: 'Management API', version: '1' }, paths };
}

function operation({ path, summary, parameters = {} }: ManagementCall): object {
  const segments = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const query = Object.entries(parameters).map(([name, { type, description }]) => ({
    name,
    in: 'query',
    description,
    schema: { type },
  }));
  return {
    summary,
    parameters: [...segments, ...query],
    responses: {
      200: { description: 'Done' },
      default: { description: 'Refused, with the reason' },
    },
  };
}
