/** The floor: bare node:http that reads a body and answers the bytes of its first argument. Prints its port. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const answer = Buffer.from(process.argv[2] ?? '');
const server = createServer((req, res) => {
  req.on('data', () => undefined);
  req.on('end', () => {
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': answer.length });
    res.end(answer);
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(
    JSON.stringify({ message: 'listening', port: (server.address() as AddressInfo).port }),
  );
});
