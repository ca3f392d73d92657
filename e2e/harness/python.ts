/** Environments from PyPI, made once and kept in the cache: one for each list of packages. */
import { existsSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { show } from './shell.ts';

/** Where what is slow to build is kept. */
export const CACHE =
  process.env.WHERRY_CACHE ??
  join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'wherry');

/** The interpreter of the environment with these packages; it may not have been made yet. */
function pythonOf(packages: readonly string[]): string {
  return join(CACHE, `python-${packages.join('-').replace(/[^\w.-]+/g, '_')}/bin/python`);
}

export function hasPython(packages: readonly string[]): boolean {
  return existsSync(pythonOf(packages));
}

/** The interpreter; its environment is made where it is missing. @throws Error of venv or pip. */
export async function pythonWith(packages: readonly string[]): Promise<string> {
  const python = pythonOf(packages);
  if (existsSync(python)) return python;
  const dir = join(python, '../..');
  try {
    await show('python3', ['-m', 'venv', dir]);
    await show(join(dir, 'bin/pip'), ['install', '-q', ...packages]);
    return python;
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}
