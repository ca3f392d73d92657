/** The form of REST handlers: what they are given, and what they give back. */

import type { IncomingMessage } from 'node:http';
import type { Metrics } from '../../metrics/metrics.ts';
import { InferenceError } from '../../protocol/errors.ts';
import type { Immediate } from '../../serving/immediate.ts';
import type { Caller } from '../../serving/scheduling/job.ts';
import type { ServerPlugin } from '../access/server-plugin.ts';
import type { BodyPool } from '../body-pool.ts';
import { refusalOf, statusesOf } from '../call.ts';
import type { TransportOptions } from '../options.ts';

/** Parts and settings of the REST server. */
export interface RestOptions extends TransportOptions {
  /** Metrics that `GET /metrics` shows. */
  readonly metrics: Metrics;
  /** Plugins whose routes the server has, too. */
  readonly plugins: readonly ServerPlugin[];
  /** Origins of pages that may call; `*` is all. */
  readonly corsOrigins: readonly string[];
}

/** Everything that a handler is given besides its request. */
export interface RestContext extends RestOptions {
  /** Memory for the bodies of requests. */
  readonly bodies: BodyPool;
}

/** An answer before it is written. */
export interface Reply {
  readonly status: number;
  readonly body: string | Buffer;
  /** Media type of the body; JSON if not given. */
  readonly type?: string;
  /** Length of the JSON at the body's start, in bytes, where tensors follow it. */
  readonly jsonLength?: number;
  /** Headers beside those that every answer has. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** One request and who waits for its answer. */
export interface Exchange {
  readonly req: IncomingMessage;
  /** Segments of the path that the route names, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Part of the URL after its question mark. */
  readonly query: string;
  readonly caller: Caller;
}

/** Answers one kind of request. @throws InferenceError. */
export type Handler = (exchange: Exchange, context: RestContext) => Immediate<Reply>;

/** A table of handlers by route: `METHOD /path/{param}` → handler. */
export type Routes = Readonly<Record<string, Handler>>;

/** Makes a reply of a value, as JSON. */
export function json(value: unknown, status = 200): Reply {
  return { status, body: JSON.stringify(value) };
}

/** Makes a reply for a probe. @throws InferenceError MODEL_NOT_READY when there is a reason. */
export function readiness(notReadyReason: string | undefined, body: object): Reply {
  if (notReadyReason !== undefined) throw new InferenceError('MODEL_NOT_READY', notReadyReason);
  return json(body);
}

/** Makes a reply of whatever a handler threw. */
export function errorReply(
  error: unknown,
  { log, overloadStatus }: Pick<RestOptions, 'log' | 'overloadStatus'>,
): Reply {
  const { code, message } = refusalOf(error, log);
  return json({ error: message }, statusesOf(code, overloadStatus).http);
}
