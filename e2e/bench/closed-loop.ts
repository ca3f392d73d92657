/**
 * A closed loop of clients on raw sockets, as a process of its own: each sends the same request again as soon
 * as it has its answer. Prints a LoopResult.
 * usage: closed-loop URL CONNECTIONS SECONDS [HEADER: VALUE]... < body
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { LoopRecord } from './loop-result.ts';

const [url = '', connections = '16', seconds = '5', ...headers] = process.argv.slice(2);
const body = readFileSync(0);
const { host, hostname, port, pathname } = new URL(url);
const lines = [
  `POST ${pathname} HTTP/1.1`,
  ...(headers.some((line) => /^host:/i.test(line)) ? [] : [`Host: ${host}`]),
  'Content-Type: application/json',
  `Content-Length: ${body.length}`,
  ...headers,
];
const request = Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);

const WARM_UP_MS = 1000;
const start = performance.now();
const end = start + WARM_UP_MS + Number(seconds) * 1000;
const record = new LoopRecord(start + WARM_UP_MS);

/** Bytes of a whole response, from its head. */
function responseLength(chunk: Buffer): number {
  const headEnd = chunk.indexOf('\r\n\r\n');
  const head = chunk.subarray(0, headEnd).toString();
  if (!head.startsWith('HTTP/1.1 200')) throw new Error(`unexpected answer: ${chunk}`);
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
  if (Number.isNaN(length)) throw new Error(`an answer without a length: ${head}`);
  return headEnd + 4 + length;
}

function client(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, send);
    socket.setNoDelay(true);
    let sentAt = 0;
    let received = 0;
    let expected = 0;
    function send() {
      received = 0;
      sentAt = performance.now();
      socket.write(request);
    }
    socket.on('data', (chunk) => {
      if (received === 0) expected = responseLength(chunk);
      received += chunk.length;
      if (received < expected) return;
      const now = performance.now();
      record.add(sentAt, now);
      if (now < end) send();
      else {
        socket.destroy();
        resolve();
      }
    });
    socket.on('error', reject);
  });
}

await Promise.all(Array.from({ length: Number(connections) }, client));
record.print();
