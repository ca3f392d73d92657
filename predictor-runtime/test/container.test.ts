/** The limits of a container, as the kernel writes them. */
import { expect } from 'chai';
import { containerCpus, containerMemory, cpuQuota } from '../src/platform/container.ts';

describe('the limits of the container', () => {
  for (const [title, files, cpus] of [
    ['none', {}, undefined],
    [
      'cgroup v2 without a quota',
      { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup//cpu.max': 'max 100000\n' },
      undefined,
    ],
    [
      'cgroup v2, one and a half CPUs',
      { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup//cpu.max': '150000 100000\n' },
      1.5,
    ],
    [
      'cgroup v2, in a group below',
      {
        '/proc/self/cgroup': '0::/kubepods/pod1\n',
        '/sys/fs/cgroup/kubepods/pod1/cpu.max': '50000 100000\n',
      },
      0.5,
    ],
    [
      "cgroup v2, whose path is the host's",
      { '/proc/self/cgroup': '0::/kubepods/pod1\n', '/sys/fs/cgroup/cpu.max': '200000 100000\n' },
      2,
    ],
    [
      'cgroup v1',
      {
        '/proc/self/cgroup': '3:cpu,cpuacct:/docker/1\n',
        '/sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us': '400000\n',
        '/sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us': '100000\n',
      },
      4,
    ],
    [
      'cgroup v1 without a quota',
      {
        '/proc/self/cgroup': '3:cpu:/\n',
        '/sys/fs/cgroup/cpu//cpu.cfs_quota_us': '-1\n',
        '/sys/fs/cgroup/cpu//cpu.cfs_period_us': '100000\n',
      },
      undefined,
    ],
  ] as const) {
    it(title, () => {
      expect(cpuQuota((path) => (files as Record<string, string>)[path])).to.equal(cpus);
    });
  }

  it('are at least one CPU and some memory here', () => {
    expect(containerCpus()).to.be.at.least(1);
    expect(containerMemory()).to.be.above(1 << 20);
  });
});
