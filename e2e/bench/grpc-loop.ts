/**
 * The same as closed-loop.ts over gRPC: ModelInfer with the tensor as raw bytes.
 * usage: grpc-loop ADDRESS CONNECTIONS SECONDS MODEL INPUT DATATYPE SHAPE < bytes
 */
import { readFileSync } from 'node:fs';
import { Client, credentials, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { LoopRecord } from './loop-result.ts';

const [address = '', connections = '8', seconds = '5', model, input, datatype, shape = ''] =
  process.argv.slice(2);
const service = loadSync(
  new URL('../../predictor-runtime/src/transport/grpc/inference.proto', import.meta.url).pathname,
  {
    keepCase: true,
    includeDirs: [new URL('../../predictor-runtime/src/transport/grpc/', import.meta.url).pathname],
  },
)['inference.GRPCInferenceService'] as ServiceDefinition;
const method = service.ModelInfer as ServiceDefinition[string];
const message = {
  model_name: model,
  inputs: [{ name: input, datatype, shape: shape.split(',').map(Number) }],
  raw_input_contents: [readFileSync(0)],
};

const WARM_UP_MS = 1000;
const start = performance.now();
const end = start + WARM_UP_MS + Number(seconds) * 1000;
const record = new LoopRecord(start + WARM_UP_MS);

async function client(): Promise<void> {
  const channel = new Client(address, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
  });
  for (;;) {
    const sentAt = performance.now();
    if (sentAt > end) break;
    await new Promise<void>((resolve, reject) => {
      channel.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        message,
        (error) => (error === null ? resolve() : reject(error)),
      );
    });
    record.add(sentAt, performance.now());
  }
  channel.close();
}

await Promise.all(Array.from({ length: Number(connections) }, client));
record.print();
