/** What the container lets this process have. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';

/** Memory, in bytes: the container's limit, or the machine's. */
export function containerMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}

/** Whole CPUs: the container's quota, rounded up, or the machine's. Node knows the quota only of some kernels. */
export function containerCpus(): number {
  const quota = cpuQuota(read);
  return Math.max(
    1,
    Math.min(availableParallelism(), Math.ceil(quota ?? Number.POSITIVE_INFINITY)),
  );
}

/**
 * CPUs of this process's control group, or undefined for no quota. Source: kernel documentation, cgroup-v2 `cpu.max`
 * and cgroup-v1 `cpu.cfs_quota_us`; a container sees its own group at the root.
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
