/** The other operators, whose routers the leader follows wherever they are connected. */
import { hostPort } from '../api/pod-ips.ts';
import type { RouterFact } from '../api/router-fact.ts';
import { type ServiceAddress, serverNames } from '../certificates/identity.ts';
import type { TlsCredentials } from '../certificates/issue.ts';
import { RenewableCredentials } from '../certificates/renewable-credentials.ts';
import { FactFollower } from '../router/fact-follower.ts';
import type { ServiceEndpoint } from './service-endpoints.ts';

export interface PeerOperatorsOptions {
  /** Name of this operator's own pod, which is not followed. */
  readonly self: string;
  /** Port of the control planes. */
  readonly port: number;
  readonly credentials: TlsCredentials;
  /** The Service of the control planes, by whose name their certificates are known. */
  readonly address: ServiceAddress;
  readonly onFacts: (facts: readonly RouterFact[]) => void;
}

export class PeerOperators {
  readonly #options: PeerOperatorsOptions;
  readonly #credentials: RenewableCredentials;
  /** By host:port. */
  readonly #followers = new Map<string, FactFollower>();

  constructor(options: PeerOperatorsOptions) {
    this.#options = options;
    this.#credentials = new RenewableCredentials(options.credentials);
  }

  /** Follows exactly these operators, this one left out. */
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

  /** Uses other certificates for every connection from now on. */
  renew(credentials: TlsCredentials): void {
    this.#credentials.renew(credentials);
  }

  close(): void {
    for (const follower of this.#followers.values()) follower.close();
    this.#followers.clear();
  }
}
