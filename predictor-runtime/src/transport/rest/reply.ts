/** What a REST handler gives back, and what it is given. */

import type { IncomingMessage } from 'node:http';
import type { Cohort } from '../../platform/cohort.ts';
import { ERROR_TABLE, InferenceError } from '../../protocol/errors.ts';
import type { Caller } from '../../serving/scheduling/job.ts';
import type { ServerPlugin } from '../access/server-plugin.ts';
import type { FrontOptions } from '../call.ts';
import type { BodyPool } from './body-pool.ts';

export interface RestOptions extends FrontOptions {
  /** In place of 429: Triton's clients know 503. */
  readonly overloadStatus: number;
  readonly plugins: readonly ServerPlugin[];
  /** Origins of pages that may call; `*` is all. */
  readonly corsOrigins: readonly string[];
}

/** What handlers are given: the options, and what belongs to one server. */
export interface RestContext extends RestOptions {
  /** Bodies that are to be decoded together. */
  readonly decoding: Cohort;
  readonly bodies: BodyPool;
}

export interface Reply {
  readonly status: number;
  readonly body: string | Buffer;
  readonly type?: string;
  /** Bytes of the JSON that tensors follow. */
  readonly jsonLength?: number;
}

/** One request on its way. */
export interface Exchange {
  readonly req: IncomingMessage;
  /** Segments of the path that its route names, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** What follows the path's question mark. */
  readonly query: string;
  readonly caller: Caller;
}

export type Handler = (exchange: Exchange, context: RestContext) => Reply | Promise<Reply>;

/** `METHOD /path/{param}` → handler. */
export type Routes = Readonly<Record<string, Handler>>;

export function json(value: unknown, status = 200): Reply {
  return { status, body: JSON.stringify(value) };
}

/** 200, or MODEL_NOT_READY with the reason. */
export function readiness(notReadyReason: string | undefined, body: object): Reply {
  if (notReadyReason !== undefined) throw new InferenceError('MODEL_NOT_READY', notReadyReason);
  return json(body);
}

/** The answer for whatever a handler threw; what is no domain error is logged and not told. */
export function errorReply(
  error: unknown,
  { log, overloadStatus }: Pick<RestOptions, 'log' | 'overloadStatus'>,
): Reply {
  const known = error instanceof InferenceError;
  const clientLeft = (error as NodeJS.ErrnoException).code === 'ECONNRESET';
  if (!known && !clientLeft) log.error('request failed', { error: (error as Error).stack });
  const { http } = ERROR_TABLE[known ? error.code : 'INTERNAL'];
  const message = known ? error.message : 'internal error; the server log has the details';
  return json({ error: message }, http === 429 ? overloadStatus : http);
}
