/** Makes the operator's logger: a constant message plus fields, as JSON lines or, on a terminal, as text. */
import winston from 'winston';

/** A logger of the library winston; a call has a constant message and an object of fields. */
export type Logger = winston.Logger;

/**
 * Makes a logger that writes to stderr.
 * @param level the least severe level that is written: `error`, `warn`, `info` or `debug`
 * @param format JSON lines with all fields, or text for a person, with the time of day (UTC) in front
 */
export function createLogger(level: string, format: 'json' | 'text'): Logger {
  const { combine, timestamp, json, printf } = winston.format;
  const text = printf(({ level: severity, message, timestamp: at, ...fields }) => {
    const rest = Object.entries(fields).map(([key, value]) => `${key}=${show(value)}`);
    return [String(at).slice(11, 19), severity, message, ...rest].join(' ');
  });
  return winston.createLogger({
    level,
    format: combine(timestamp(), format === 'json' ? json() : text),
    transports: [
      new winston.transports.Console({ stderrLevels: ['error', 'warn', 'info', 'debug'] }),
    ],
  });
}

function show(value: unknown): string {
  return typeof value === 'string' && !/\s/.test(value) ? value : JSON.stringify(value);
}
