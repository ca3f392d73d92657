/**
 * The controllers of warm pools: each runtime has the Deployments that its annotation asks for, and pods of them that
 * were claimed by an operator which is gone are given up. A runtime that goes takes its pools along.
 */
import type { Lister, Writer } from '../api/cluster.ts';
import type { OperatorConfig } from '../api/config.ts';
import type { ServingRuntimeData } from '../api/inferenceservice.ts';
import {
  type Deployment,
  type KubeObject,
  keyOf,
  type Observed,
  type ScaledDeployment,
} from '../api/kube.ts';
import { ANNOTATIONS, LABELS, poolKey } from '../api/names.ts';
import type { Logger } from '../log.ts';
import { ok, type Result } from '../plan/input.ts';
import { staleClaims } from '../plan/stand-in.ts';
import { poolDeployments, poolName } from '../plan/warm-pool.ts';
import { withAppliedHash } from './apply.ts';
import type { Change, Controller, Outcome } from './controller.ts';
import { KINDS_OF_RUNTIMES } from './servingruntime.ts';

/** Everything that the controllers of warm pools read from and write to. */
export interface WarmPoolControllersOptions {
  readonly lister: Lister;
  readonly writer: Pick<Writer, 'apply' | 'delete' | 'event'>;
  readonly config: OperatorConfig;
  /** Returns the certificates (PEM) of the authorities whose operators may give the pods a model. */
  readonly authorities: () => string;
  /** Reason for which there are no pools here, whatever a runtime asks for; undefined where there are. */
  readonly refusal?: string;
}

/** Returns a controller of the warm pools of each kind of runtime. */
export function warmPoolControllers(options: WarmPoolControllersOptions): Controller[] {
  return KINDS_OF_RUNTIMES.map((kind) => {
    const pools = new WarmPools(kind, options);
    return {
      kind,
      triggers: (change, lister) => runtimesOf(kind, change, lister),
      reconcile: (key, log) => pools.reconcile(key, log),
    };
  });
}

type KindOfRuntime = (typeof KINDS_OF_RUNTIMES)[number];

/** Returns the keys of the runtimes whose pools a change may concern. */
function runtimesOf(
  kind: KindOfRuntime,
  { kind: changed, object }: Change,
  lister: Lister,
): string[] {
  if (changed === kind) return [keyOf(object)];
  const { namespace, labels } = object.metadata;
  const pool = labels?.[LABELS.pool];
  if (pool === undefined) return [];
  if (changed === 'Deployment') return ownerKeys(kind, object);
  if (changed !== 'Pod' || labels?.[LABELS.claimed] === undefined) return [];
  const deployment = lister.get('Deployment', `${namespace}/${pool}`);
  return deployment === undefined ? [] : ownerKeys(kind, deployment);
}

function ownerKeys(kind: KindOfRuntime, { metadata }: KubeObject): string[] {
  const owner = metadata.ownerReferences?.find((reference) => reference.kind === kind);
  if (owner === undefined) return [];
  return [kind === 'ServingRuntime' ? `${metadata.namespace}/${owner.name}` : owner.name];
}

class WarmPools {
  readonly #kind: KindOfRuntime;
  readonly #options: WarmPoolControllersOptions;
  /** Namespaces in which a runtime has had pools, by its key. */
  readonly #namespaces = new Map<string, ReadonlySet<string>>();
  /** Problem of each runtime that was told last, by key. */
  readonly #told = new Map<string, string>();

  constructor(kind: KindOfRuntime, options: WarmPoolControllersOptions) {
    this.#kind = kind;
    this.#options = options;
  }

  async reconcile(key: string, log: Logger): Promise<Outcome> {
    const { lister, writer } = this.#options;
    const runtime = lister.get(this.#kind, key);
    if (runtime === undefined || runtime.metadata.deletionTimestamp !== undefined) return {};
    const planned = this.#planned(runtime);
    if (!planned.ok) {
      // What cannot be read says nothing of the pools that there are.
      await this.#tell(key, runtime, planned.problem.message);
      return {};
    }
    const existing = this.#poolsOf(runtime, key);
    const namespaces = [...existing, ...planned.value].map(
      ({ metadata }) => metadata.namespace ?? '',
    );
    this.#namespaces.set(key, new Set(namespaces));
    const failures: string[] = [];
    for (const wanted of planned.value) {
      const current = existing.find((pool) => keyOf(pool) === keyOf(wanted));
      const failure = await this.#apply(wanted, current, log);
      if (failure !== undefined) failures.push(`${keyOf(wanted)}: ${failure}`);
    }
    for (const pool of existing) {
      if (planned.value.some((wanted) => keyOf(wanted) === keyOf(pool))) continue;
      await writer.delete(pool);
      log.info('deleted', { pool: keyOf(pool) });
    }
    await this.#tell(key, runtime, failures.join('; ') || this.#refusal(runtime));
    return { retry: failures.length > 0, ...(await this.#giveUpClaims(existing, log)) };
  }

  #planned(runtime: ServingRuntimeData): Result<Observed<Deployment>[]> {
    const { config, authorities, refusal } = this.#options;
    if (refusal !== undefined) return ok([]);
    return poolDeployments({ runtime, config, authorities: authorities() });
  }

  /** Returns why a runtime that asks for pools has none here. */
  #refusal({ metadata }: ServingRuntimeData): string | undefined {
    const isAsked = metadata.annotations?.[ANNOTATIONS.warmPool] !== undefined;
    return isAsked ? this.#options.refusal : undefined;
  }

  /** Returns the pools that a runtime has. All Deployments are looked through once; then their namespaces are known. */
  #poolsOf(runtime: ServingRuntimeData, key: string): Observed<ScaledDeployment>[] {
    const { lister } = this.#options;
    const { uid, namespace } = runtime.metadata;
    const name = poolName(runtime.kind, runtime.metadata.name);
    const namespaces =
      this.#namespaces.get(key) ??
      new Set(lister.list('Deployment', namespace).flatMap((d) => d.metadata.namespace ?? []));
    const pools = [...namespaces].flatMap(
      (each) => lister.get('Deployment', `${each}/${name}`) ?? [],
    );
    return pools.filter(({ metadata }) =>
      metadata.ownerReferences?.some((reference) => reference.uid === uid),
    );
  }

  /** Applies a Deployment that differs from what is there. Returns why it could not be, to be tried again. */
  async #apply(
    wanted: Observed<Deployment>,
    current: Observed<ScaledDeployment> | undefined,
    log: Logger,
  ): Promise<string | undefined> {
    const applied = withAppliedHash(wanted);
    const hashOf = ({ metadata }: KubeObject) => metadata.annotations?.[ANNOTATIONS.appliedHash];
    const isSame =
      current !== undefined &&
      hashOf(current) === hashOf(applied) &&
      current.spec?.replicas === wanted.spec?.replicas;
    if (isSame) return undefined;
    const metadata = { ...applied.metadata, uid: current?.metadata.uid };
    try {
      const isApplied = await this.#options.writer.apply({ ...applied, metadata });
      if (!isApplied) return 'the Deployment of that name is about to go, or is not its own';
      log.info('applied', { pool: keyOf(wanted), pods: wanted.spec?.replicas });
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  async #giveUpClaims(pools: readonly KubeObject[], log: Logger): Promise<Outcome> {
    const { lister, writer } = this.#options;
    const pods = pools.flatMap(({ metadata: { namespace = '', name } }) =>
      lister.listOwned('Pod', poolKey(namespace, name)),
    );
    const { stale, nextLook } = staleClaims(pods, Date.now());
    for (const pod of stale) {
      await writer.delete(pod);
      log.info('claim given up', { pod: keyOf(pod) });
    }
    return nextLook === undefined ? {} : { resyncAt: new Date(nextLook).toISOString() };
  }

  /** Tells once why a runtime lacks pools; nothing where there is no reason. */
  async #tell(key: string, runtime: ServingRuntimeData, reason: string | undefined): Promise<void> {
    const before = this.#told.get(key);
    if (reason === undefined) this.#told.delete(key);
    else this.#told.set(key, reason);
    if (reason === undefined || reason === before) return;
    const event = { type: 'Warning', reason: 'WarmPoolRefused', message: reason } as const;
    await this.#options.writer.event(runtime, event);
  }
}
