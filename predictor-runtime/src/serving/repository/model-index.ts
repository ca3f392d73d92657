/** The index of a repository: every known model, and what has become of its versions. Source: Triton, model repository extension. */
import type { ModelManager } from '../manager.ts';
import type { Servable } from '../servable.ts';

/** State of a version, in Triton's words. */
export type IndexState = 'UNKNOWN' | 'READY' | 'UNAVAILABLE' | 'LOADING' | 'UNLOADING';

/** One version of a model; or the model itself, when none of its versions was ever loaded. */
export interface IndexEntry {
  readonly name: string;
  /** Number of the version; absent when none was ever loaded. */
  readonly version?: string;
  readonly state?: IndexState;
  /** Reason why the version cannot serve; empty when there is nothing to say. */
  readonly reason: string;
}

const STATES: Record<Servable['phase'], IndexState> = {
  new: 'LOADING',
  loading: 'LOADING',
  available: 'READY',
  unloading: 'UNLOADING',
  failed: 'UNAVAILABLE',
};

/** Everything that an index is made of. */
export interface IndexSources {
  readonly manager: ModelManager;
  /** Names of the models in the repository. */
  readonly listed: readonly string[];
  /** Models whose folder could not be read: name → why. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/** Lists every model that is in the repository or was ever wanted, in the order of their names. */
export function modelIndex({ manager, listed, unreadable }: IndexSources): IndexEntry[] {
  const names = new Set([...listed, ...manager.names()]);
  return [...names].sort().flatMap((name): IndexEntry[] => {
    const servables = manager.servables(name);
    const reason = unreadable.get(name);
    if (servables.length === 0) {
      if (reason === undefined) return [unloadedEntry(manager, name)];
      return [{ name, version: '1', state: 'UNAVAILABLE', reason }];
    }
    return servables.map((servable) => ({
      name,
      version: String(servable.version),
      ...stateOf(servable, manager),
    }));
  });
}

/** Tells what has become of a version. An ensemble that is loaded serves only while its models do. */
function stateOf(
  { name, version, phase, error = '' }: Servable,
  manager: ModelManager,
): Pick<IndexEntry, 'state' | 'reason'> {
  const missing = phase === 'available' ? manager.notReadyReason(name, { version }) : undefined;
  if (missing !== undefined) return { state: 'UNAVAILABLE', reason: missing };
  return { state: STATES[phase], reason: error };
}

function unloadedEntry(manager: ModelManager, name: string): IndexEntry {
  if (manager.isExpected(name)) return { name, version: '1', state: 'LOADING', reason: '' };
  return manager.names().includes(name)
    ? { name, version: '1', state: 'UNAVAILABLE', reason: 'unloaded' }
    : { name, reason: '' };
}
