/**
 * Metrics of how the requests of revisions ended, which only a leader has. They are written from its sums at each
 * scrape, so that a revision that is gone has no series, nor has one that had no request.
 */
import { setImmediate } from 'node:timers/promises';
import { revisionName } from '../api/revision.ts';
import { LATENCY_BOUNDS, type RevisionSignals } from '../api/revision-signals.ts';

/** Returns the sums of all revisions. */
export type ReadSignals = () => Iterable<RevisionSignals>;

/** A metric with the samples of one revision, each as text. */
interface Family {
  readonly name: string;
  readonly type: 'counter' | 'histogram';
  readonly help: string;
  readonly samples: (signals: RevisionSignals) => string[];
}

const REQUESTS = 'wherry_revision_requests_total';
const LATENCY = 'wherry_revision_request_duration_seconds';

/** Upper bounds of the histogram's buckets in seconds: some of those in which routers count. */
const BUCKETS = [
  ...[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25],
  ...[0.5, 1, 2.5, 5, 10, 25, 50, 100],
];

/** Number of lines after which what else is due goes on: thousands of revisions have many. */
const LINES = 500;

const FAMILIES: readonly Family[] = [
  {
    name: REQUESTS,
    type: 'counter',
    help: 'Requests of a revision that have ended, by outcome',
    samples: (signals) =>
      Object.entries(signals.outcomes).map(
        ([outcome, count]) => `${REQUESTS}{${labels(signals)},outcome="${outcome}"} ${count}`,
      ),
  },
  {
    name: LATENCY,
    type: 'histogram',
    help: 'Time from the last byte of a successful request to the last byte of its answer',
    samples: latencySamples,
  },
];

/** Writes the metrics of all revisions in the text format of Prometheus, in parts of some hundred lines. */
export async function* signalMetrics(read: ReadSignals): AsyncGenerator<string> {
  for (const { name, type, help, samples } of FAMILIES) {
    let lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
    for (const signals of read()) {
      lines.push(...samples(signals));
      if (lines.length < LINES) continue;
      yield `${lines.join('\n')}\n`;
      lines = [];
      await setImmediate();
    }
    yield lines.length === 0 ? '' : `${lines.join('\n')}\n`;
  }
}

function latencySamples(signals: RevisionSignals): string[] {
  const own = labels(signals);
  const counts = Object.entries(signals.latency);
  const upTo = (seconds: number) =>
    counts.reduce((sum, [index, count]) => {
      const bound = LATENCY_BOUNDS[Number(index)] ?? Number.POSITIVE_INFINITY;
      return bound <= seconds * 1e6 ? sum + count : sum;
    }, 0);
  const total = upTo(Number.POSITIVE_INFINITY);
  return [
    ...BUCKETS.map((bound) => `${LATENCY}_bucket{${own},le="${bound}"} ${upTo(bound)}`),
    `${LATENCY}_bucket{${own},le="+Inf"} ${total}`,
    `${LATENCY}_sum{${own}} ${signals.latencySeconds}`,
    `${LATENCY}_count{${own}} ${total}`,
  ];
}

/** Returns a revision's labels; names in Kubernetes have no character that would have to be escaped. */
function labels({ ref }: RevisionSignals): string {
  const { namespace, service } = ref;
  return `namespace="${namespace}",service="${service}",revision="${revisionName(ref)}"`;
}
