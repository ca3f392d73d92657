/** The floor: bare node:http that reads a body and answers the bytes of a file. usage: echo FILE PORT */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [file = '', port = '0'] = process.argv.slice(2);
const answer = readFileSync(file);
const headers = { 'Content-Type': 'application/json', 'Content-Length': answer.length };
createServer((req, res) => {
  req.on('data', () => undefined);
  req.on('end', () => {
    res.writeHead(200, headers);
    res.end(answer);
  });
}).listen(Number(port), '127.0.0.1');
