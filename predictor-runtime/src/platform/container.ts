/** The memory and the CPUs that the container lets this process have. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';

/** Returns the memory that this process may use, in bytes: the container's limit, or else the machine's memory. */
export function containerMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}

/**
 * Returns the number of CPUs that this process may use: the container's quota, rounded up, or else the machine's. It is
 * read here, as Node knows the quota on some kernels only.
 */
export function containerCpus(): number {
  const quota = cpuQuota(read);
  return Math.max(
    1,
    Math.min(availableParallelism(), Math.ceil(quota ?? Number.POSITIVE_INFINITY)),
  );
}

/**
 * Returns the quota of CPUs of this process's control group, or undefined when it has none. Source: kernel
 * documentation, cgroup-v2 `cpu.max` and cgroup-v1 `cpu.cfs_quota_us`; a container sees its own group at the root.
 */
export function cpuQuota(readFile: (path: string) => string | undefined): number | undefined {
  const groups = (readFile('/proc/self/cgroup') ?? '').split('\n').map((line) => line.split(':'));
  const [, , unified = '/'] = groups.find(([, controllers]) => controllers === '') ?? [];
  const [, , own = '/'] = groups.find(([, names]) => names?.split(',').includes('cpu')) ?? [];
  for (const folder of [unified, '']) {
    const [quota, period] = (readFile(`/sys/fs/cgroup${folder}/cpu.max`) ?? '').split(' ');
    if (period !== undefined) return quota === 'max' ? undefined : Number(quota) / Number(period);
  }
  for (const folder of [own, '']) {
    const quota = Number(readFile(`/sys/fs/cgroup/cpu${folder}/cpu.cfs_quota_us`));
    const period = Number(readFile(`/sys/fs/cgroup/cpu${folder}/cpu.cfs_period_us`));
    if (quota > 0 && period > 0) return quota / period;
  }
  return undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
