/** Load generators that are no part of what is measured: wrk for HTTP and ghz for gRPC, pinned, fetched once. */
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE } from '../harness/python.ts';
import { run } from '../harness/shell.ts';

/** Debian packages of wrk, of bookworm. */
const WRK = [
  'wrk=4.1.0-3+b2',
  'libluajit-5.1-2=2.1.0~beta3+git20220320+dfsg-4.1+deb12u1',
  'libluajit-5.1-common=2.1.0~beta3+git20220320+dfsg-4.1+deb12u1',
] as const;
const GHZ = 'github.com/bojand/ghz/cmd/ghz@v0.121.0';

/** A program, and what its environment must have. */
export interface Program {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Returns wrk, from Debian's packages where it is not in the cache. @throws Error of apt-get or dpkg. */
export async function wrkProgram(): Promise<Program> {
  const home = await cached('wrk-4.1.0-3', async (dir) => {
    await run('apt-get', ['download', '-q', ...WRK], { cwd: dir });
    await run('sh', ['-c', 'for deb in *.deb; do dpkg -x "$deb" . && rm "$deb"; done'], {
      cwd: dir,
    });
  });
  const libraries = await run('find', [home, '-name', 'libluajit-5.1.so.2', '-printf', '%h\n']);
  return {
    command: join(home, 'usr/bin/wrk'),
    env: { LD_LIBRARY_PATH: libraries.split('\n')[0] ?? '' },
  };
}

/** Returns ghz, built by Go where it is not in the cache. @throws Error of Go. */
export async function ghzProgram(): Promise<Program> {
  const home = await cached('ghz-0.121.0', async (dir) => {
    await run('go', ['install', GHZ], { env: { GOBIN: dir } });
  });
  // Its garbage would otherwise be collected every few milliseconds, on the time of answers.
  return { command: join(home, 'ghz'), env: { GOGC: '800' } };
}

/** Makes a folder of the cache; a half-made one is never seen. */
async function cached(name: string, make: (dir: string) => Promise<void>): Promise<string> {
  const home = join(CACHE, name);
  if (existsSync(home)) return home;
  mkdirSync(CACHE, { recursive: true });
  const dir = mkdtempSync(`${home}-`);
  try {
    await make(dir);
    renameSync(dir, home);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return home;
}
