/** The server of gRPC: what HTTP/2 and gRPC ask of it, with clients that keep to them and clients that do not. */
import { once } from 'node:events';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { deflateSync, gzipSync } from 'node:zlib';
import {
  Client,
  compressionAlgorithms,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js';
import { expect } from 'chai';
import type { Call } from '../src/transport/grpc/http2/call.ts';
import { GrpcHttp2Server } from '../src/transport/grpc/http2/server.ts';
import type { StreamingCall } from '../src/transport/grpc/http2/streaming-call.ts';

const MAX_MESSAGE_BYTES = 1 << 20;
const raw = (bytes: Buffer) => bytes;
const method = (
  name: string,
  streams: { requestStream?: boolean; responseStream?: boolean } = {},
): MethodDefinition<Buffer, Buffer> => ({
  path: `/test.Test/${name}`,
  originalName: name,
  requestStream: false,
  responseStream: false,
  ...streams,
  requestSerialize: raw,
  requestDeserialize: raw,
  responseSerialize: raw,
  responseDeserialize: raw,
});
const SERVICE = {
  Echo: method('Echo'),
  Never: method('Never'),
  Fail: method('Fail'),
  Meta: method('Meta'),
  Count: method('Count', { responseStream: true }),
  Chat: method('Chat', { requestStream: true, responseStream: true }),
} satisfies ServiceDefinition;

type UnaryCall = Call & { request: Buffer };
type Callback = (error: unknown, answer?: Buffer) => void;

describe('gRPC on HTTP/2', () => {
  let server: GrpcHttp2Server;
  let port: number;
  let client: Client;
  /** Calls that were cancelled. */
  let cancelled: string[];
  /** Chunks that `Count` has written. */
  let written: number;
  /** Ends the calls of `Never`. */
  let answers: (() => void)[];

  beforeEach(async () => {
    cancelled = [];
    answers = [];
    written = 0;
    server = new GrpcHttp2Server({ maxMessageBytes: MAX_MESSAGE_BYTES });
    server.addService(SERVICE, {
      Echo: (call: UnaryCall, done: Callback) => {
        done(null, Buffer.from(call.request));
        call.release();
      },
      Never: (call: UnaryCall, done: Callback) => {
        call.on('cancelled', () => cancelled.push(call.getPath()));
        answers.push(() => done(null, call.request));
      },
      Fail: (_call: UnaryCall, done: Callback) =>
        done({ code: status.FAILED_PRECONDITION, details: 'nicht möglich: 100 % 😀' }),
      Meta: (call: UnaryCall, done: Callback) =>
        done(null, Buffer.from(JSON.stringify(call.metadata.getMap()))),
      Count: async (call: StreamingCall) => {
        const [count = 0] = call.request as Buffer;
        for (let i = 0; i < count; i++) {
          written++;
          if (!call.write(Buffer.alloc(64 << 10, i))) await once(call, 'drain');
        }
        call.end();
      },
      Chat: (call: StreamingCall) => {
        call.on('data', (message) => call.write(message));
        call.on('end', () => call.end());
        call.on('cancelled', () => cancelled.push(call.getPath()));
      },
    } as never);
    port = await server.listen('127.0.0.1', 0);
    client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
    });
  });

  afterEach(async () => {
    client.close();
    await server.drain();
  });

  const call = (
    { path }: { path: string },
    message: Buffer,
    options: { deadline?: number; metadata?: Metadata } = {},
  ): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const { metadata = new Metadata(), ...rest } = options;
      client.makeUnaryRequest(path, raw, raw, message, metadata, rest, (error, answer) =>
        error === null ? resolve(answer as Buffer) : reject(error),
      );
    });
  const failure = ({ code, details }: { code: number; details: string }) => `${code} ${details}`;

  interface RawAnswer {
    readonly headers: IncomingHttpHeaders;
    readonly trailers: IncomingHttpHeaders;
    readonly body: Buffer;
    readonly rstCode: number | undefined;
  }

  /** Sends what `send` writes on a stream of HTTP/2, and returns all that comes. */
  async function rawCall(
    headers: OutgoingHttpHeaders,
    send: (stream: ClientHttp2Stream, session: ClientHttp2Session) => void,
  ): Promise<RawAnswer> {
    const session = connect(`http://127.0.0.1:${port}`);
    try {
      const stream = session.request({
        ':method': 'POST',
        ':path': SERVICE.Echo.path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      stream.on('error', () => undefined);
      let answered: IncomingHttpHeaders = {};
      let trailers: IncomingHttpHeaders = {};
      stream.on('response', (got) => {
        answered = got;
      });
      stream.on('trailers', (got) => {
        trailers = got;
      });
      const parts: Buffer[] = [];
      stream.on('data', (part) => parts.push(part));
      send(stream, session);
      await once(stream, 'close');
      const { rstCode } = stream;
      return { headers: answered, trailers, body: Buffer.concat(parts), rstCode };
    } finally {
      session.destroy();
    }
  }

  const frame = (bytes: Buffer, flag = 0) => {
    const prefix = Buffer.from([flag, 0, 0, 0, 0]);
    prefix.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([prefix, bytes]);
  };
  const toldStatus = ({ headers, trailers }: RawAnswer) =>
    `${trailers['grpc-status'] ?? headers['grpc-status']} ${trailers['grpc-message'] ?? headers['grpc-message'] ?? ''}`;

  it('answers messages of every size around the frames and windows of HTTP/2', async () => {
    const sizes = [0, 1, 5, 16_379, 16_384, 65_530, 65_535, 300_001, MAX_MESSAGE_BYTES];
    for (const size of sizes) {
      const message = Buffer.from(new Uint8Array(size).map((_, i) => i * 7));
      expect((await call(SERVICE.Echo, message)).equals(message), `${size} bytes`).to.equal(true);
    }
  });

  it('puts together a message that comes byte by byte', async () => {
    const message = Buffer.from('byte by byte');
    const answer = await rawCall({}, async (stream) => {
      for (const byte of frame(message)) {
        stream.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
      stream.end();
    });
    expect(answer.body).to.deep.equal(frame(message));
    expect(toldStatus(answer)).to.equal('0 ');
  });

  it('answers many calls of one connection at once, each with its own', async () => {
    const messages = Array.from({ length: 500 }, (_, i) => Buffer.alloc(1 + i * 97, i));
    const got = await Promise.all(messages.map((message) => call(SERVICE.Echo, message)));
    expect(got.every((answer, i) => answer.equals(messages[i] as Buffer))).to.equal(true);
  });

  it('gives the memory of a message to nobody else while it is read', async () => {
    const kept = call(SERVICE.Never, Buffer.alloc(200_000, 1));
    while (answers.length === 0) await new Promise(setImmediate);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => call(SERVICE.Echo, Buffer.alloc(200_000, i))),
    );
    answers[0]?.();
    expect((await kept).equals(Buffer.alloc(200_000, 1))).to.equal(true);
  });

  it('tells a failure with its code and details, whatever letters they have', async () => {
    expect(await call(SERVICE.Fail, Buffer.alloc(0)).catch(failure)).to.equal(
      '9 nicht möglich: 100 % 😀',
    );
  });

  it('gives the metadata of the caller, binary values too, and none of the protocol', async () => {
    const metadata = new Metadata();
    metadata.set('x-name', 'value');
    metadata.set('x-bytes-bin', Buffer.from([0, 255]));
    const got = JSON.parse((await call(SERVICE.Meta, Buffer.alloc(0), { metadata })).toString());
    expect(got['x-name']).to.equal('value');
    expect(got['x-bytes-bin'].data).to.deep.equal([0, 255]);
    expect(Object.keys(got)).not.to.include.members(['te', 'grpc-accept-encoding', 'content-type']);
  });

  it('ends a call at its deadline, and says so to whoever works for it', async () => {
    const ended = await call(SERVICE.Never, Buffer.alloc(1), { deadline: Date.now() + 100 }).catch(
      failure,
    );
    expect(ended).to.match(/^4 /);
    while (cancelled.length === 0) await new Promise(setImmediate);
    expect(cancelled).to.deep.equal([SERVICE.Never.path]);
  });

  it('says so when the client cancels, or goes away', async () => {
    await rawCall({ ':path': SERVICE.Never.path }, (stream) => {
      stream.end(frame(Buffer.alloc(1)));
      setTimeout(() => stream.close(8), 50);
    });
    await rawCall({ ':path': SERVICE.Never.path }, (stream, session) => {
      stream.end(frame(Buffer.alloc(1)));
      setTimeout(() => session.destroy(), 50);
    });
    while (cancelled.length < 2) await new Promise(setImmediate);
  });

  for (const [name, algorithm] of [
    ['gzip', compressionAlgorithms.gzip],
    ['deflate', compressionAlgorithms.deflate],
  ] as const) {
    it(`takes messages that are compressed by ${name}`, async () => {
      const compressing = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
        'grpc.default_compression_algorithm': algorithm,
      });
      try {
        const message = Buffer.alloc(100_000, 'text ');
        const answer = await new Promise<Buffer | undefined>((resolve, reject) =>
          compressing.makeUnaryRequest(SERVICE.Echo.path, raw, raw, message, (error, got) =>
            error === null ? resolve(got) : reject(error),
          ),
        );
        expect(answer?.equals(message)).to.equal(true);
      } finally {
        compressing.close();
      }
    });
  }

  it('keeps the order of a stream in which only some messages are compressed', async () => {
    const texts = Array.from({ length: 20 }, (_, i) => Buffer.from(`${i}`.repeat(50)));
    const headers = { ':path': SERVICE.Chat.path, 'grpc-encoding': 'gzip' };
    const { body } = await rawCall(headers, (stream) => {
      texts.forEach((text, i) => {
        stream.write(i % 3 === 0 ? frame(gzipSync(text), 1) : frame(text));
      });
      stream.end();
    });
    expect(body.equals(Buffer.concat(texts.map((text) => frame(text))))).to.equal(true);
  });

  const bomb = Buffer.alloc(MAX_MESSAGE_BYTES + 1);
  const REFUSED: readonly [
    title: string,
    headers: OutgoingHttpHeaders,
    sent: Buffer,
    told: RegExp,
  ][] = [
    ['a method that there is not', { ':path': '/test.Test/Nope' }, frame(bomb), /^12 .*Nope/],
    ['a compression that there is not', { 'grpc-encoding': 'br' }, frame(bomb), /^12 .*gzip/],
    ['a time that is none', { 'grpc-timeout': '1 hour' }, frame(bomb), /^13 grpc-timeout/],
    ['a mark of compression without its name', {}, frame(Buffer.from('x'), 1), /^13 /],
    ['what is not gzip', { 'grpc-encoding': 'gzip' }, frame(Buffer.from('x'), 1), /^13 .*gzip/],
    ['a message that is cut off', {}, frame(Buffer.alloc(9)).subarray(0, 9), /^13 .*cut%20off/],
    ['no message', {}, Buffer.alloc(0), /^13 /],
    ['two messages', {}, Buffer.concat([frame(Buffer.alloc(1)), frame(Buffer.alloc(1))]), /^13 /],
    ['a message that is too large', {}, frame(bomb), /^8 .*1048577/],
    [
      'a message that is too large once it is decompressed',
      { 'grpc-encoding': 'deflate' },
      frame(deflateSync(bomb), 1),
      /^8 /,
    ],
    [
      'a length that is no message’s',
      {},
      Buffer.from([0, 255, 255, 255, 255, 1]),
      /^8 .*4294967295/,
    ],
  ];
  for (const [title, headers, sent, told] of REFUSED) {
    it(`refuses ${title}, and goes on`, async () => {
      const answer = await rawCall(headers, (stream) => stream.end(sent));
      expect(answer.headers[':status']).to.equal(200);
      expect(toldStatus(answer)).to.match(told);
      expect((await call(SERVICE.Echo, Buffer.from('on'))).toString()).to.equal('on');
    });
  }

  it('tells the status at once of a call whose client goes on to send', async () => {
    const answer = await rawCall({ ':path': '/test.Test/Nope' }, (stream) => {
      const more = setInterval(() => stream.write(Buffer.alloc(1000)), 5);
      stream.on('close', () => clearInterval(more));
    });
    expect(toldStatus(answer)).to.match(/^12 /);
    expect(answer.rstCode).to.equal(0);
  });

  it('answers what is no gRPC by HTTP’s own status', async () => {
    const post = await rawCall({ 'content-type': 'application/json' }, (stream) =>
      stream.end('{}'),
    );
    expect(post.headers[':status']).to.equal(415);
    const get = await rawCall({ ':method': 'GET' }, (stream) => stream.end());
    expect(get.headers[':status']).to.equal(415);
  });

  it('waits for a client that reads slowly', async () => {
    const count = 200;
    const stream = client.makeServerStreamRequest(
      SERVICE.Count.path,
      raw,
      raw,
      Buffer.from([count]),
    );
    await once(stream, 'readable');
    for (let before = -1; before !== written; ) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(written).to.be.lessThan(count / 2);
    let got = 0;
    for await (const part of stream) {
      expect(part[0]).to.equal(got % 256);
      got++;
    }
    expect(got).to.equal(count);
  });

  it('answers those under way when it drains, and takes nobody else', async () => {
    const underWay = call(SERVICE.Never, Buffer.from('last'));
    while (answers.length === 0) await new Promise(setImmediate);
    const drained = server.drain();
    const late = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const refused = await new Promise<string>((resolve) => {
      const { path } = SERVICE.Echo;
      late.makeUnaryRequest(path, raw, raw, Buffer.alloc(1), (error) =>
        resolve(error === null ? 'answered' : failure(error)),
      );
    });
    late.close();
    expect(refused).to.match(/^14 /);
    answers[0]?.();
    expect((await underWay).toString()).to.equal('last');
    await drained;
  });
});
