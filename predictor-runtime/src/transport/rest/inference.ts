/** What every inference over REST has in common: reading the body, deadlines, and measuring answers and errors. */

import type { IncomingMessage } from 'node:http';
import type { InferOptions } from '../../dataplane.ts';
import { InferenceError, invalid } from '../../protocol/errors.ts';
import type { VersionChoice } from '../../protocol/versions.ts';
import { readBody } from './body.ts';
import { type Exchange, errorReply, type Reply, type RestContext } from './reply.ts';

/** Bytes of the JSON before the tensors (binary tensor data extension). */
export const JSON_LENGTH = 'inference-header-content-length';

/** How long the caller waits, in ms: ours, and the router's own limit for the request. */
const TIMEOUT_HEADERS = ['x-request-timeout-ms', 'x-envoy-expected-rq-timeout-ms'];

/** What an inference is to run. */
export interface Target {
  readonly name: string;
  readonly choice: VersionChoice;
}

/** Reads the body, answers it, and measures both the answer and the error. */
export async function inference(
  { name, choice }: Target,
  { req, caller }: Exchange,
  context: RestContext,
  answerTo: (body: Buffer, options: InferOptions) => Promise<Reply>,
): Promise<Reply> {
  const { dataPlane, metrics, log, maxBodyBytes, logRequests, decoding, bodies } = context;
  // Metric labels come from the models that exist, never from what a caller invents.
  dataPlane.modelNotReadyReason(name, choice);
  let start = performance.now();
  let reply: Reply;
  try {
    const head = Number(req.headers[JSON_LENGTH] ?? 0);
    const body = await readBody(req, {
      limit: maxBodyBytes,
      take: (length) => bodies.take(length, head >= 0 && head <= length ? head : 0),
    });
    await decoding.join();
    start = performance.now();
    const traceparent = req.headers.traceparent as string | undefined;
    reply = await answerTo(body, { caller, timeoutMs: timeoutOf(req), traceparent });
    // After an error a run that was given up may still read it.
    bodies.giveBack(body);
  } catch (error) {
    reply = errorReply(error, context);
  }
  const seconds = (performance.now() - start) / 1000;
  metrics.inference(name, reply.status, seconds);
  if (logRequests) log.info('inference', { model: name, ...choice, status: reply.status, seconds });
  return reply;
}

function timeoutOf(req: IncomingMessage): number | undefined {
  let shortest: number | undefined;
  for (const header of TIMEOUT_HEADERS) {
    const text = req.headers[header];
    if (text === undefined) continue;
    const ms = Number(text);
    if (!Number.isFinite(ms) || ms < 0) {
      throw invalid(`${header}: expected a number of milliseconds, got '${text}'`);
    }
    if (ms > 0 && (shortest === undefined || ms < shortest)) shortest = ms;
  }
  return shortest;
}

/** The bytes of the JSON at the start of a body; without the header all of it is JSON. */
export function jsonLength(req: IncomingMessage, body: Buffer): number {
  const header = req.headers[JSON_LENGTH];
  if (header === undefined) return body.length;
  const length = Number(header);
  if (!/^\d+$/.test(String(header)) || length > body.length) {
    throw new InferenceError(
      'INVALID_ARGUMENT',
      `${JSON_LENGTH}: expected 0 to ${body.length}, the length of the body, got '${header}'`,
    );
  }
  return length;
}
