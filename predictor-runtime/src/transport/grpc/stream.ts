/** ModelStreamInfer: many inferences in one call. Source: Triton, grpc/stream_infer_handler. */
import type { StreamingCall } from './http2/streaming-call.ts';
import type { InferMessage } from './messages.ts';

/** Steps of a stream that the server itself takes. */
export interface StreamSteps {
  /** Answers one message. @throws Error with the reason why it cannot. */
  answer(message: InferMessage): Promise<object>;
  /** Says what the client is told of an error. */
  explain(error: unknown): string;
}

/** Mark of a message's last answer; every message has just one. */
const FINAL = { triton_final_response: { bool_param: true } };

/**
 * Runs the messages of a stream side by side, and answers them in the order in which they came. A failure is an answer
 * too, and the stream stays.
 */
export function answerStream(call: StreamingCall, { answer, explain }: StreamSteps): void {
  let written = Promise.resolve();
  call.on('data', (message: InferMessage) => {
    const response = answer(message).then(
      (inferred) => ({ infer_response: { ...inferred, parameters: FINAL } }),
      (error) => ({ error_message: explain(error), infer_response: { id: message.id } }),
    );
    written = written.then(async () => {
      const next = await response;
      if (!call.cancelled) call.write(next);
    });
  });
  call.on('end', async () => {
    await written;
    call.end();
  });
}
