/** A log for tests, whose lines are kept. */
import { Writable } from 'node:stream';
import winston from 'winston';
import type { Logger } from '../src/platform/log.ts';

export interface KeptLog {
  readonly log: Logger;
  /** The lines so far, each as it was written. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
}

export function keptLog(): KeptLog {
  const lines: Record<string, unknown>[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const transports = [new winston.transports.Stream({ stream })];
  return { log: winston.createLogger({ format: winston.format.json(), transports }), lines };
}
