/** One V2 inference over gRPC, as any gRPC client would send it through the routers. */
import { join } from 'node:path';
import { Client, credentials, type Metadata, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ROOT } from './cluster.ts';

export interface GrpcReply {
  readonly outputs: readonly { readonly name: string; readonly datatype: string }[];
  readonly raw_output_contents: readonly Buffer[];
}

/** A row of the iris data set; `authority` is the host by which the router finds the service. */
export async function inferOverGrpc(
  address: string,
  authority: string,
  model: string,
): Promise<{ reply: GrpcReply; metadata: Metadata }> {
  const proto = join(ROOT, 'predictor-runtime/src/transport/grpc/inference.proto');
  const service = loadSync(proto, { keepCase: true, longs: String, defaults: true })[
    'inference.GRPCInferenceService'
  ] as ServiceDefinition;
  const infer = service.ModelInfer;
  if (infer === undefined) throw new Error('the proto has no ModelInfer');
  const options = { 'grpc.default_authority': authority };
  const client = new Client(address, credentials.createInsecure(), options);
  const request = {
    model_name: model,
    inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4] }],
    raw_input_contents: [Buffer.from(Float32Array.of(6.8, 2.8, 4.8, 1.4).buffer)],
  };
  try {
    return await new Promise((resolve, reject) => {
      let metadata: Metadata;
      const call = client.makeUnaryRequest(
        infer.path,
        infer.requestSerialize,
        infer.responseDeserialize,
        request,
        (error, reply) =>
          error === null ? resolve({ reply: reply as GrpcReply, metadata }) : reject(error),
      );
      call.on('metadata', (headers: Metadata) => {
        metadata = headers;
      });
    });
  } finally {
    client.close();
  }
}
