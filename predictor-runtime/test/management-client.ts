/** The management API of a server under test. */
import type { PredictorServer } from '../src/server/server.ts';
import type { Answer } from './server.ts';

export const TOKEN = 'a-token-of-the-tests';

/** For the flags: the API on a free port, with `TOKEN`; `dir` is where its file goes. */
export function managementConfig(tokenFile: string) {
  return { managementPort: 0, managementTokenFile: tokenFile } as const;
}

/** `METHOD /path?query` with the token, or another, and a body in JSON where there is one. */
export async function manage(
  { managementPort }: PredictorServer,
  call: string,
  { token = TOKEN, body }: { token?: string; body?: object } = {},
): Promise<Answer> {
  const [method, path] = call.split(' ');
  const reply = await fetch(`http://127.0.0.1:${managementPort}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: reply.status, json: await reply.json() };
}
