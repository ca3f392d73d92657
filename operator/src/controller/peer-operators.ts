/** Peer operators are the other replicas; the leader follows the routers that are connected to them. */
import { hostPort } from '../api/pod-ips.ts';
import type { RouterFact } from '../api/router-fact.ts';
import { type ServiceAddress, serverNames } from '../certificates/identity.ts';
import type { TlsCredentials } from '../certificates/issue.ts';
import { RenewableCredentials } from '../certificates/renewable-credentials.ts';
import { FactFollower } from '../router/fact-follower.ts';
import type { ServiceEndpoint } from './service-endpoints.ts';

/** Everything that is needed to reach the other operators and know them. */
export interface PeerOperatorsOptions {
  /** Name of this operator's own pod, which it does not follow. */
  readonly self: string;
  /** Port on which every operator's control plane listens. */
  readonly port: number;
  readonly credentials: TlsCredentials;
  /** Service of the control planes; their certificates bear its name. */
  readonly address: ServiceAddress;
  /** Called with the facts that other operators tell, as they come. */
  readonly onFacts: (facts: readonly RouterFact[]) => void;
}

/** Follows the facts that the other operators know about the routers connected to them. */
export class PeerOperators {
  readonly #options: PeerOperatorsOptions;
  readonly #credentials: RenewableCredentials;
  /** Followers of the operators, by their address, `host:port`. */
  readonly #followers = new Map<string, FactFollower>();

  constructor(options: PeerOperatorsOptions) {
    this.#options = options;
    this.#credentials = new RenewableCredentials(options.credentials);
  }

  /** Follows exactly the operators given, except this one; to be called whenever they change. */
  update(operators: readonly ServiceEndpoint[]): void {
    const { self, port, address, onFacts } = this.#options;
    const addresses = new Set(
      operators.flatMap(({ pod, addresses: [first] }) =>
        pod === self || first === undefined ? [] : hostPort(first, port),
      ),
    );
    for (const [known, follower] of this.#followers) {
      if (addresses.has(known)) continue;
      follower.close();
      this.#followers.delete(known);
    }
    for (const target of addresses) {
      if (this.#followers.has(target)) continue;
      const follower = new FactFollower({
        address: target,
        credentials: this.#credentials.forChannelTo('operator'),
        serverName: serverNames(address)[0],
        onFacts,
      });
      this.#followers.set(target, follower);
    }
  }

  /** Uses other certificates for every connection that is opened from now on. */
  renew(credentials: TlsCredentials): void {
    this.#credentials.renew(credentials);
  }

  /** Stops following all of them. */
  close(): void {
    for (const follower of this.#followers.values()) follower.close();
    this.#followers.clear();
  }
}
