/** Renews the TLS credentials of gRPC servers and channels while these run. */
import { type ChannelCredentials, experimental, type ServerCredentials } from '@grpc/grpc-js';
import { peerRole, type Role } from './identity.ts';
import type { TlsCredentials } from './issue.ts';

/**
 * TLS credentials that many gRPC servers and channels share. When they are renewed, open connections stay,
 * and later ones use the new credentials.
 */
export class RenewableCredentials implements experimental.CertificateProvider {
  readonly #authorityListeners = new Set<experimental.CaCertificateUpdateListener>();
  readonly #identityListeners = new Set<experimental.IdentityCertificateUpdateListener>();
  #current: TlsCredentials;

  /** Starts with `credentials`, until `renew` brings others. */
  constructor(credentials: TlsCredentials) {
    this.#current = credentials;
  }

  /** Uses `credentials` for every connection from now on. */
  renew(credentials: TlsCredentials): void {
    this.#current = credentials;
    for (const listener of this.#authorityListeners) listener(authorities(credentials));
    for (const listener of this.#identityListeners) listener(identity(credentials));
  }

  /** Makes the credentials of a server that refuses every client without a certificate of a known authority. */
  forServer(): ServerCredentials {
    return experimental.createCertificateProviderServerCredentials(this, this, true);
  }

  /**
   * Makes the credentials of a channel that talks to a peer of this role only, at whatever address it is. A
   * channel to an IP address needs the option `grpc.ssl_target_name_override` as well: an address is no
   * server name (RFC 6066, section 3).
   */
  forChannelTo(role: Role): ChannelCredentials {
    return experimental.createCertificateProviderChannelCredentials(this, this, {
      checkServerIdentity: (_host, certificate) =>
        peerRole(certificate) === role ? undefined : new Error(`the server is no ${role}`),
    });
  }

  addCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#authorityListeners.add(listener);
    tell(listener, authorities(this.#current));
  }

  removeCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#authorityListeners.delete(listener);
  }

  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identityListeners.add(listener);
    tell(listener, identity(this.#current));
  }

  removeIdentityCertificateListener(
    listener: experimental.IdentityCertificateUpdateListener,
  ): void {
    this.#identityListeners.delete(listener);
  }
}

/** Tells a new listener in the next tick: gRPC loses what a listener is told within its own registration. */
function tell<T>(listener: (update: T) => void, update: T): void {
  process.nextTick(listener, update);
}

function authorities({ ca }: TlsCredentials): experimental.CaCertificateUpdate {
  return { caCertificate: Buffer.from(ca) };
}

function identity({ cert, key }: TlsCredentials): experimental.IdentityCertificateUpdate {
  return { certificate: Buffer.from(cert), privateKey: Buffer.from(key) };
}
