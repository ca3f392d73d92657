/** Names the parties of the control plane: SPIFFE IDs in their certificates, and the server's DNS names. */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

/** A party of the control plane: a router takes its configuration there, an operator serves it. */
export type Role = 'router' | 'operator';

/**
 * The SPIFFE ID of each role, which its certificates carry as their one URI name. Source: SPIFFE, X509-SVID,
 * section 2.
 */
export const SPIFFE_IDS: Readonly<Record<Role, string>> = {
  router: 'spiffe://wherry/router',
  operator: 'spiffe://wherry/operator',
};

/**
 * Tells the role that a peer's certificate names, or undefined when it names none. Says nothing about who
 * signed the certificate: the TLS handshake must have verified it before. Takes the certificate as
 * `TLSSocket.getPeerCertificate()` returns it, which is an object without `raw` when the peer sent none.
 */
export function peerRole({ raw }: { readonly raw?: Uint8Array | undefined }): Role | undefined {
  if (raw === undefined) return undefined;
  const extension = new x509.X509Certificate(new Uint8Array(raw)).getExtension(
    x509.SubjectAlternativeNameExtension,
  );
  const uris = extension?.names.items.filter(({ type }) => type === 'url') ?? [];
  const [id] = uris;
  if (id === undefined || uris.length > 1) return undefined;
  return (Object.keys(SPIFFE_IDS) as Role[]).find((role) => SPIFFE_IDS[role] === id.value);
}

/** The parts of the DNS name of the control plane's Service. */
export interface ServiceAddress {
  /** The name of the Service. */
  readonly service: string;
  readonly namespace: string;
  /** The DNS domain of the cluster, such as `cluster.local`. */
  readonly clusterDomain: string;
}

/** Returns the DNS names by which the control plane is called; the first one is fully qualified. */
export function serverNames({ service, namespace, clusterDomain }: ServiceAddress): string[] {
  const short = `${service}.${namespace}`;
  return [`${short}.svc.${clusterDomain}`, `${short}.svc`, short];
}
