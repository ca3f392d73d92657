/** The operators of an ONNX file's graph, read without running it. */
import { readFile, stat } from 'node:fs/promises';

/** Size above which a file is not looked into, in bytes: loading it takes longer than starting a process. */
const MAX_BYTES = 8 << 20;
/** Operators whose run time the graph does not bound. */
const UNBOUNDED = new Set(['Loop', 'Scan', 'If', 'SequenceMap']);
/** Domains of ONNX's own operators; kernels of others are not ours to trust. */
const DOMAINS = new Set(['', 'ai.onnx', 'ai.onnx.ml']);

/**
 * True for a small file with standard operators and no loops, which may run inside the server's own process. A file
 * that cannot be read is not harmless: its loader will say what is wrong.
 */
export async function isHarmless(path: string): Promise<boolean> {
  const { size } = await stat(path);
  if (size > MAX_BYTES) return false;
  try {
    return operators(await readFile(path)).every(
      ({ type, domain }) => !UNBOUNDED.has(type) && DOMAINS.has(domain),
    );
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

interface Operator {
  readonly type: string;
  readonly domain: string;
}

/** Field numbers of onnx.proto3: ModelProto, GraphProto, NodeProto. */
const MODEL = { graph: 7, functions: 25 };
const GRAPH = { node: 1 };
const NODE = { opType: 4, domain: 7 };

/**
 * Lists the operators of a model file.
 * @throws RangeError when the bytes are no protobuf message, or define functions of their own.
 */
function operators(bytes: Buffer): Operator[] {
  const model = [...fields(bytes)];
  if (model.some(({ number }) => number === MODEL.functions)) {
    throw new RangeError('the model has functions of its own');
  }
  return model
    .filter(({ number }) => number === MODEL.graph)
    .flatMap(({ content }) => [...fields(content)])
    .filter(({ number }) => number === GRAPH.node)
    .map(({ content }) => {
      const node = new Map([...fields(content)].map((field) => [field.number, field.content]));
      return {
        type: node.get(NODE.opType)?.toString() ?? '',
        domain: node.get(NODE.domain)?.toString() ?? '',
      };
    });
}

interface Field {
  readonly number: number;
  /** Bytes of the field; empty for numbers. */
  readonly content: Buffer;
}

/** Yields the fields of a protobuf message. Source: protobuf.dev, "Encoding". */
function* fields(bytes: Buffer): Generator<Field> {
  let offset = 0;
  function varint(): number {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes.readUInt8(offset++);
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  }
  while (offset < bytes.length) {
    const key = varint();
    const wireType = key % 8;
    let content = bytes.subarray(0, 0);
    if (wireType === 0) varint();
    else if (wireType === 1) offset += 8;
    else if (wireType === 5) offset += 4;
    else if (wireType === 2) {
      const length = varint();
      content = bytes.subarray(offset, offset + length);
      offset += length;
    } else throw new RangeError(`wire type ${wireType}`);
    if (offset > bytes.length) throw new RangeError('the message is cut off');
    yield { number: Math.floor(key / 8), content };
  }
}
