/**
 * A Prometheus histogram whose series are found once: prom-client's own looks its labels up with each value, which
 * takes as long as a small model. A registry takes it like any other metric.
 */
import type { Metric, Registry } from 'prom-client';

/** Name, help and buckets of a histogram. */
export interface HistogramOptions {
  readonly name: string;
  readonly help: string;
  /** Upper bounds in ascending order; infinity is added. */
  readonly buckets: readonly number[];
  readonly registry: Registry;
}

type Labels = Readonly<Record<string, string | number>>;

/** Counts the values of one set of labels. */
export class HistogramSeries {
  readonly labels: Labels;
  readonly #bounds: readonly number[];
  /** Number of values in each bucket and no other; the last bucket is beyond all bounds. */
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] as number)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sum += value;
  }

  /** Returns the samples of the text format: each bucket with all below it, the sum and the count. */
  samples(name: string): { labels: Labels; value: number; metricName: string }[] {
    let count = 0;
    const buckets = [...this.#bounds, '+Inf'].map((le, i) => {
      count += this.#counts[i] as number;
      return { labels: { le, ...this.labels }, value: count, metricName: `${name}_bucket` };
    });
    return [
      ...buckets,
      { labels: this.labels, value: this.#sum, metricName: `${name}_sum` },
      { labels: this.labels, value: count, metricName: `${name}_count` },
    ];
  }
}

/** A histogram of a registry, and its series. */
export class Histogram {
  readonly #options: HistogramOptions;
  readonly #series = new Set<HistogramSeries>();

  constructor(options: HistogramOptions) {
    this.#options = options;
    const { name, help, registry } = options;
    const get = async () => ({
      ...{ name, help, type: 'histogram', aggregator: 'sum' },
      values: [...this.#series].flatMap((series) => series.samples(name)),
    });
    // The registry asks a metric for nothing but its name and its values.
    registry.registerMetric({ name, get } as unknown as Metric);
  }

  /** Adds a series, which the caller keeps. */
  series(labels: Labels): HistogramSeries {
    const series = new HistogramSeries(labels, this.#options.buckets);
    this.#series.add(series);
    return series;
  }

  remove(series: HistogramSeries): void {
    this.#series.delete(series);
  }
}
