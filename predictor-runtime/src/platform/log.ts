/** The process's logger, which writes JSON lines to stdout: a constant message, and fields. */
import winston from 'winston';

/** A logger of the library winston; a call has a constant message and an object of fields. */
export type Logger = winston.Logger;

/**
 * Makes the process's logger.
 * @param level the least severe of winston's levels that is written
 */
export function createLogger(level: string, { silent = false } = {}): Logger {
  return winston.createLogger({
    level,
    silent,
    format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
    transports: [new winston.transports.Console()],
  });
}
