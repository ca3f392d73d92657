/** An inference over REST: its body, and its call as the envelope takes it. */
import type { IncomingMessage } from 'node:http';
import type { InferOptions, Target } from '../../dataplane.ts';
import { InferenceError } from '../../protocol/errors.ts';
import { after, type Immediate } from '../../serving/immediate.ts';
import type { InferenceCall } from '../call.ts';
import { readBody } from './body.ts';
import type { Exchange, Reply, RestContext } from './reply.ts';

/** Header with the length of the JSON before the tensors, in bytes. Source: Triton, binary tensor data extension. */
export const JSON_LENGTH = 'inference-header-content-length';

/** One inference of a route: its target, and how a body is answered. */
export interface RestInference extends Target {
  readonly verb: InferenceCall['verb'];
  /** Decodes the body, has the data plane answer it, and encodes the answer. @throws InferenceError. */
  answer(body: Buffer, options: InferOptions): Immediate<Reply>;
}

/** Answers an inference inside the envelope. @throws InferenceError. */
export function inference(
  exchange: Exchange,
  { envelope, maxBodyBytes, bodies }: RestContext,
  { verb, name, choice, answer }: RestInference,
): Promise<Reply> {
  const { req } = exchange;
  return envelope.answer(callOf(exchange, { verb, model: name, choice }), {
    receive: () => {
      const head = Number(req.headers[JSON_LENGTH] ?? 0);
      const take = (length: number) => bodies.take(length, head >= 0 && head <= length ? head : 0);
      return readBody(req, { limit: maxBodyBytes, take });
    },
    answer: (body, options) =>
      // After an error a run that was given up may still read the body.
      after(answer(body, options), (reply) => {
        bodies.giveBack(body);
        return reply;
      }),
  });
}

/**
 * Makes an HTTP request the call of an inference. Every property is named: V8 adds those that follow a spread one by
 * one, by a call of its runtime each.
 */
export function callOf(
  { req, caller }: Exchange,
  { verb, model, choice }: Pick<InferenceCall, 'verb' | 'model' | 'choice'>,
): InferenceCall {
  return { verb, model, choice, caller, header: (name) => req.headers[name] as string | undefined };
}

/** Returns the length of the JSON at the start of a body, in bytes; without the header all of it is JSON. */
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
