/** Triton's logging extension: the settings of the server's log. */
import type { Logger } from '../../platform/log.ts';
import { invalid } from '../errors.ts';
import { show } from './elements.ts';

/** Levels of winston in the order of Triton's switches, the least verbose first. */
const LEVELS = ['error', 'warn', 'info', 'debug'];

/** Names of Triton's formats. The lines here are JSON with times in ISO 8601 under either name. */
const FORMATS = ['default', 'ISO8601'];
const formats = new WeakMap<Logger, string>();

/** Returns the log's settings, under Triton's names. Source: Triton, logging extension. */
export function logSettings(log: Logger): object {
  const level = LEVELS.indexOf(log.level);
  return {
    log_file: '',
    log_info: level >= LEVELS.indexOf('info'),
    log_warning: level >= LEVELS.indexOf('warn'),
    log_error: true,
    log_verbose_level: level >= LEVELS.indexOf('debug') ? 1 : 0,
    log_format: formats.get(log) ?? FORMATS[0],
  };
}

/**
 * Changes settings of the log: which levels it writes.
 * @throws InferenceError INVALID_ARGUMENT for a setting that is unknown, or that cannot be changed.
 */
export function setLogSettings(log: Logger, settings: Readonly<Record<string, unknown>>): void {
  const wanted = { ...(logSettings(log) as Record<string, unknown>), ...settings };
  const changes: Record<string, (value: unknown) => boolean> = {
    log_info: (value) => typeof value === 'boolean',
    log_warning: (value) => typeof value === 'boolean',
    log_error: (value) => value === true,
    log_verbose_level: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
    log_format: (value) => FORMATS.includes(value as string),
  };
  for (const [name, value] of Object.entries(settings)) {
    if (name === 'log_file') {
      throw invalid('log_file: log file location can not be updated through network protocol');
    }
    if (!Object.hasOwn(changes, name) || changes[name]?.(value) !== true) {
      throw invalid(
        `${name}: ${show(value)} can not be set; errors are always written, formats are ${FORMATS.join(' and ')}`,
      );
    }
  }
  formats.set(log, String(wanted.log_format));
  if (Number(wanted.log_verbose_level) > 0) log.level = 'debug';
  else if (wanted.log_info) log.level = 'info';
  else log.level = wanted.log_warning ? 'warn' : 'error';
}
