/** Prometheus metrics of one server process: requests are counted as they end, models are read when somebody asks. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ModelManager } from '../serving/manager.ts';
import type { DurationName, FailureReason } from '../serving/scheduling/statistics.ts';
import type { Servable } from '../serving/servable.ts';
import { Histogram, type HistogramSeries } from './histogram.ts';
import { addMachineMetrics } from './machine.ts';

/** Bounds of latencies, in seconds: from a tiny tree to a slow network. */
const LATENCY_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];
const NS_PER_US = 1000;

const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
const LOAD_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1200];
const MS_PER_S = 1000;

/** Histograms by model and version: the stage of a request → the metric's name and help. */
const STAGES = {
  success: ['wherry_request_seconds', 'Time from the queue to the answer'],
  queue: ['wherry_queue_seconds', 'Time that requests waited for an executor'],
  compute_infer: ['wherry_compute_seconds', 'Time that runs of the model took'],
} as const satisfies Partial<Record<DurationName, readonly [string, string]>>;

/** Counters of time in Triton's words, in µs. */
const DURATION_COUNTERS: Record<string, DurationName> = {
  nv_inference_request_duration_us: 'success',
  nv_inference_queue_duration_us: 'queue',
  nv_inference_compute_input_duration_us: 'compute_input',
  nv_inference_compute_infer_duration_us: 'compute_infer',
  nv_inference_compute_output_duration_us: 'compute_output',
  nv_cache_hit_duration_per_model: 'cache_hit',
  nv_cache_miss_duration_per_model: 'cache_miss',
};

/** A metric whose values are read from the loaded versions. */
interface ModelMetric {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge';
  value(servable: Servable): number | undefined;
}

const MODEL_METRICS: readonly ModelMetric[] = [
  {
    name: 'nv_inference_request_success',
    help: 'Inference requests answered',
    kind: 'counter',
    value: ({ model }) => model?.statistics.durations.success.count,
  },
  {
    name: 'nv_inference_count',
    help: 'Rows inferred, without answers from the cache',
    kind: 'counter',
    value: ({ model }) => model?.statistics.inferenceCount,
  },
  {
    name: 'nv_inference_exec_count',
    help: 'Runs of the model, a batch being one',
    kind: 'counter',
    value: ({ model }) => model?.statistics.executionCount,
  },
  {
    name: 'nv_cache_num_hits_per_model',
    help: 'Requests answered from the cache',
    kind: 'counter',
    value: ({ model }) => model?.statistics.durations.cache_hit.count,
  },
  {
    name: 'nv_cache_num_misses_per_model',
    help: 'Requests that were not in the cache',
    kind: 'counter',
    value: ({ model }) => model?.statistics.durations.cache_miss.count,
  },
  ...Object.entries(DURATION_COUNTERS).map(
    ([name, duration]): ModelMetric => ({
      name,
      help: `Time that ${duration.replace('_', ' ')} took, in microseconds`,
      kind: 'counter',
      value: ({ model }) => model && model.statistics.durations[duration].ns / NS_PER_US,
    }),
  ),
  {
    name: 'nv_inference_pending_request_count',
    help: 'Requests that wait for an executor',
    kind: 'gauge',
    value: ({ model }) => model?.pending,
  },
  {
    name: 'nv_model_load_duration_secs',
    help: 'Time that loading the model took, in seconds',
    kind: 'gauge',
    value: ({ loadSeconds }) => loadSeconds,
  },
  {
    name: 'wherry_model_memory_bytes',
    help: "Resident memory of the model's processes; what was estimated for one in the server's own",
    kind: 'gauge',
    value: ({ model, expectedBytes }) => model?.memoryUsage() || expectedBytes,
  },
  {
    name: 'wherry_model_in_flight_requests',
    help: 'Requests under way, waiting ones among them',
    kind: 'gauge',
    value: ({ inFlight }) => inFlight,
  },
];

interface Bound {
  requests: number;
  readonly seconds: HistogramSeries;
}

/** Counts inferences, and shows the state of the models. */
export class Metrics {
  readonly #registry = new Registry();
  #hasDefaults = false;
  // This histogram has KServe's name, so that its dashboards work.
  readonly #predictSeconds = this.#histogram(
    'request_predict_seconds',
    'Time of an inference from the last byte of the request to the first of the response',
    LATENCY_BUCKETS,
  );
  readonly #predictSeries = new Map<string, HistogramSeries>();

  /** Series by model and status: finding them by their labels costs more than counting. */
  readonly #bound = new Map<string, Map<number, Bound>>();
  /** Series to be forgotten with a version, by `model/version`. */
  readonly #removals = new Map<string, (() => void)[]>();
  readonly #stages = Object.entries(STAGES).map(([stage, [name, help]]) => ({
    stage: stage as DurationName,
    histogram: this.#histogram(name, help, LATENCY_BUCKETS),
  }));
  readonly #batch = this.#histogram('wherry_batch_rows', 'Rows of a run', BATCH_BUCKETS);
  readonly #load = this.#histogram('wherry_load_seconds', 'Time that loading took', LOAD_BUCKETS);

  constructor(manager: ModelManager) {
    manager.addListener({
      loaded: (servable) => this.#observe(servable),
      unloaded: ({ name, version }) => {
        for (const remove of this.#removals.get(`${name}/${version}`) ?? []) remove();
        this.#removals.delete(`${name}/${version}`);
      },
    });
    addMachineMetrics(this.#registry);
    this.#readRequests();
    for (const metric of MODEL_METRICS) this.#readFrom(manager, metric);
    this.#readFailures(manager);
  }

  /** Media type of `text`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Writes all metrics as Prometheus reads them. Those of Node itself begin with the first reader. */
  text(): Promise<string> {
    if (!this.#hasDefaults) {
      this.#hasDefaults = true;
      // The event loop's delay (nodejs_eventloop_lag_*) is among them; all together take 7 ms of a start.
      collectDefaultMetrics({ register: this.#registry });
    }
    return this.#registry.metrics();
  }

  inference(model: string, code: number, seconds: number): void {
    const codes = this.#bound.get(model) ?? new Map<number, Bound>();
    let bound = codes.get(code);
    if (bound === undefined) {
      bound = { requests: 0, seconds: this.#predictSeriesOf(model) };
      codes.set(code, bound);
      this.#bound.set(model, codes);
    }
    bound.requests++;
    bound.seconds.observe(seconds);
  }

  #predictSeriesOf(model: string): HistogramSeries {
    const known = this.#predictSeries.get(model);
    const series = known ?? this.#predictSeconds.series({ model_name: model });
    this.#predictSeries.set(model, series);
    return series;
  }

  #histogram(name: string, help: string, buckets: readonly number[]): Histogram {
    return new Histogram({ name, help, buckets, registry: this.#registry });
  }

  /** Adds a series of a version, which goes when the version is unloaded. */
  #seriesOf({ name: model, version }: Servable, histogram: Histogram): HistogramSeries {
    const series = histogram.series({ model, version });
    const key = `${model}/${version}`;
    const removals = this.#removals.get(key) ?? [];
    this.#removals.set(key, [...removals, () => histogram.remove(series)]);
    return series;
  }

  #observe(servable: Servable): void {
    const { model, loadSeconds = 0 } = servable;
    this.#seriesOf(servable, this.#load).observe(loadSeconds);
    if (model === undefined) return;
    const rows = this.#seriesOf(servable, this.#batch);
    const stages = new Map(
      this.#stages.map(({ stage, histogram }) => [stage, this.#seriesOf(servable, histogram)]),
    );
    model.statistics.addListener({
      duration: (stage, ms) => stages.get(stage)?.observe(ms / MS_PER_S),
      batch: (count) => rows.observe(count),
    });
  }

  #readRequests(): void {
    const bound = this.#bound;
    new Counter({
      name: 'wherry_inference_requests_total',
      help: 'Inference requests by model and HTTP status code',
      labelNames: ['model', 'code'],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [model, codes] of bound) {
          for (const [code, { requests }] of codes) this.inc({ model, code }, requests);
        }
      },
    });
  }

  #readFrom(manager: ModelManager, { name, help, kind, value }: ModelMetric): void {
    const about = { name, help, labelNames: ['model', 'version'], registers: [this.#registry] };
    const values = () =>
      loaded(manager).map((servable) => {
        const { name: model, version } = servable;
        return { labels: { model, version }, amount: value(servable) ?? 0 };
      });
    if (kind === 'gauge') {
      new Gauge({
        ...about,
        collect() {
          this.reset();
          for (const { labels, amount } of values()) this.set(labels, amount);
        },
      });
      return;
    }
    new Counter({
      ...about,
      // The versions keep the counts, so that each collection replaces the last one.
      collect() {
        this.reset();
        for (const { labels, amount } of values()) this.inc(labels, amount);
      },
    });
  }

  #readFailures(manager: ModelManager): void {
    new Counter({
      name: 'nv_inference_request_failure',
      help: 'Inference requests that failed, by reason',
      labelNames: ['model', 'version', 'reason'],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { name: model, version, model: served } of loaded(manager)) {
          for (const [reason, count] of Object.entries(served?.statistics.failures ?? {})) {
            this.inc({ model, version, reason: reason as FailureReason }, count);
          }
        }
      },
    });
  }
}

/** Lists the loaded versions of all models; of two with one number, the newer one. */
function loaded(manager: ModelManager): Servable[] {
  return manager.names().flatMap((name) => {
    const servables = manager.servables(name).filter(({ model }) => model !== undefined);
    return [...new Map(servables.map((servable) => [servable.version, servable])).values()];
  });
}
