/** The results of the cold-start bench as tables. Pure. */
import { COLD_START_PHASES, type ColdStartPhase } from '../../operator/src/plan/cold-start.ts';

/** The parts of one cold start in seconds, as the operator told them. */
export type Phases = Readonly<Partial<Record<ColdStartPhase, number>>>;

/** What was measured, in seconds. */
export interface Measured {
  /** From a request to a service without pods until its answer. */
  readonly answers: readonly number[];
  readonly phases: readonly Phases[];
  /** From the scale of a Deployment with the same pod, 0 → 1, until the pod's own probe is ready. */
  readonly byHand: readonly number[];
  /** From a tenfold step of a service's load until its Deployment asks for more pods. */
  readonly reactions: readonly number[];
}

interface Target {
  readonly what: string;
  readonly value: number;
  readonly atMost: number;
}

/** The value below which a share of all lie, by nearest rank. NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** What is aimed at, with what came out. */
export function targets({ answers, byHand, reactions }: Measured): Target[] {
  const against = (share: number) => percentile(answers, share) / percentile(byHand, share);
  return [
    { what: 'request to answer against the pod by hand, p50', value: against(0.5), atMost: 1.2 },
    { what: 'request to answer against the pod by hand, p95', value: against(0.95), atMost: 1.2 },
    {
      what: 'tenfold step until a pod is asked for, the slowest, s',
      value: Math.max(...reactions),
      atMost: 2,
    },
  ];
}

/** The targets and the parts as Markdown. */
export function tables(measured: Measured): string {
  const { answers, byHand, phases, reactions } = measured;
  const ofPhase = (phase: ColdStartPhase) => phases.flatMap((one) => one[phase] ?? []);
  const rest = answers.map((answer, i) => answer - sum(Object.values(phases[i] ?? {})));
  const rows: [string, readonly number[]][] = [
    ['request to answer', answers],
    ...COLD_START_PHASES.map((phase): [string, number[]] => [`\`${phase}\``, ofPhase(phase)]),
    ['on the way there and back, and the answer itself', rest],
    ['the same pod by hand, until its own probe is ready', byHand],
    ['tenfold step until a pod is asked for', reactions],
  ];
  return [
    '| aim | measured | at most | |',
    '|---|---|---|---|',
    ...targets(measured).map(({ what, value, atMost }) => {
      return `| ${what} | ${value.toFixed(2)} | ${atMost} | ${value <= atMost ? '' : 'missed'} |`;
    }),
    '',
    '| milliseconds | p50 | p95 |',
    '|---|---|---|',
    ...rows.map(([what, values]) => {
      const cells = [0.5, 0.95].map((share) => Math.round(1000 * percentile(values, share)));
      return `| ${what} | ${cells.join(' | ')} |`;
    }),
    '',
  ].join('\n');
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
