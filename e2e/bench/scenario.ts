/** What a scenario of the bench is: servers that are asked the same, or figures that need no server's clients. */
import type { LoadRequest } from './load.ts';
import type { Launch } from './servers.ts';

/** Clients at once, where a scenario has no reason for others. */
export const CONNECTIONS = 16;

/** One server of a scenario, and the request that it is sent. */
export interface Contender extends LoadRequest {
  readonly name: string;
  /** Installs what the server needs, and returns how to start it. */
  readonly launch: () => Promise<Launch>;
}

/** Servers under the same load. */
export interface Scenario {
  readonly key: string;
  readonly title: string;
  readonly connections: number;
  /** Gets an echo of the first one's answer beside it. */
  readonly floor?: boolean;
  /** Servers and clients have all cores, not one each. */
  readonly allCores?: boolean;
  /** Asked at this share of the highest rate, that of a closed loop just before, and not as fast as can be. */
  readonly share?: number;
  readonly contenders: readonly Contender[];
}
