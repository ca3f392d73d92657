/** The machine's processors and memory, under Triton's names. */
import { cpus, freemem, totalmem } from 'node:os';
import { Gauge, type Registry } from 'prom-client';

/** Times of all processors together, in ms since the machine's start. */
export interface ProcessorTimes {
  readonly busy: number;
  readonly total: number;
}

/** Reads the times of all processors. */
export function processorTimes(): ProcessorTimes {
  let busy = 0;
  let total = 0;
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.irq + times.idle;
    busy += all - times.idle;
    total += all;
  }
  return { busy, total };
}

/** Returns the share of the time between two readings in which processors were busy, from 0 to 1. */
export function utilization(before: ProcessorTimes, now: ProcessorTimes): number {
  const total = now.total - before.total;
  return total > 0 ? (now.busy - before.busy) / total : 0;
}

/** Adds the machine's metrics to a registry; the utilisation is that since the registry was last read. */
export function addMachineMetrics(registry: Registry): void {
  let last: ProcessorTimes = { busy: 0, total: 0 };
  for (const [name, help, read] of [
    [
      'nv_cpu_utilization',
      'CPU utilization rate [0.0 - 1.0] of the machine since the last look',
      () => {
        const now = processorTimes();
        const rate = utilization(last, now);
        last = now;
        return rate;
      },
    ],
    ['nv_cpu_memory_total_bytes', "The machine's memory, in bytes", totalmem],
    [
      'nv_cpu_memory_used_bytes',
      "The machine's memory in use, in bytes",
      () => totalmem() - freemem(),
    ],
  ] as const) {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  }
}
