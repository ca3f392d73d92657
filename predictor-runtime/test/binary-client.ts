/** A client of the binary tensor extension: JSON, and then the tensors. */

export interface BinaryOutput {
  readonly name: string;
  readonly shape: number[];
  readonly parameters: { readonly binary_data_size: number };
}

export interface BinaryRequest {
  readonly json: object | string;
  readonly buffers: readonly Buffer[];
  readonly headers?: Record<string, string>;
}

export async function sendBinary(url: string, { json, buffers, headers }: BinaryRequest) {
  const head = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
  const reply = await fetch(url, {
    method: 'POST',
    headers: { 'inference-header-content-length': String(head.length), ...headers },
    body: Buffer.concat([head, ...buffers]),
  });
  const body = Buffer.from(await reply.arrayBuffer());
  const length = Number(reply.headers.get('inference-header-content-length') ?? body.length);
  return {
    status: reply.status,
    headers: reply.headers,
    json: body.toString('utf8', 0, length),
    binary: body.subarray(length),
  };
}
