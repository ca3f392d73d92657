/** Decides when a party's certificate stays and when it is made anew. */
import { X509Certificate } from 'node:crypto';
import { isDue, signingAuthority } from './authorities.ts';
import { peerRole, type Role } from './identity.ts';
import { type Authorities, type Issuance, issueLeaf, type KeyCertPair } from './issue.ts';
import { readCertificate, readKey } from './pem.ts';

/** A party's certificate as it is to be: for whom, and who may have signed it. */
export interface Leaf {
  readonly role: Role;
  /** The DNS names of a server; empty for a party that only connects. */
  readonly dnsNames: readonly string[];
  /** The authorities in date; a new certificate is signed by one of them. */
  readonly authorities: Authorities;
}

/** A certificate that is in order, and why it had to be made; without a reason it is the one that was there. */
export interface LeafDecision {
  readonly pair: KeyCertPair;
  readonly reason: string | undefined;
}

/** Keeps a party's certificate while it is in order, and makes another one otherwise. */
export async function decideLeaf(
  current: KeyCertPair | undefined,
  leaf: Leaf,
  issuance: Issuance,
): Promise<LeafDecision> {
  const { role, dnsNames, authorities } = leaf;
  const reason =
    current === undefined ? 'there is none yet' : leafDefect(current, leaf, issuance.now);
  if (current !== undefined && reason === undefined) return { pair: current, reason };
  const authority = signingAuthority(authorities, issuance.now);
  return { pair: await issueLeaf({ ...issuance, role, dnsNames, authority }), reason };
}

/** Tells why a party's certificate must be made anew; undefined when it is in order. */
function leafDefect(
  { cert, key }: KeyCertPair,
  { role, authorities }: Leaf,
  now: Date,
): string | undefined {
  const certificate = readCertificate(cert);
  const privateKey = readKey(key);
  if (certificate === undefined) return 'the certificate cannot be read';
  if (privateKey === undefined) return 'the key cannot be read';
  if (!certificate.checkPrivateKey(privateKey)) return 'the key is not that of the certificate';
  const isSigned = authorities.some((authority) =>
    certificate.verify(new X509Certificate(authority.cert).publicKey),
  );
  if (!isSigned) return 'no current authority signed the certificate';
  if (peerRole(certificate) !== role) return `the certificate does not name the role ${role}`;
  return isDue(cert, now) ? 'the certificate is due for renewal' : undefined;
}
