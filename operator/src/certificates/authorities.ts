/** The authorities that a control plane trusts, newest first, and which of them signs. */
import { X509Certificate } from 'node:crypto';
import type { Authorities, KeyCertPair } from './issue.ts';
import { pemBlocks, readCertificate, readKey } from './pem.ts';

/** Certificates are renewed when this share of their life is over. Source: cert-manager's default. */
const RENEWAL_SHARE = 2 / 3;
/** A new authority signs only after this long: by then every router trusts it (kubelets renew files within 2 minutes). */
const TRUST_SPREAD_MS = 86_400_000;

/** Returns the authorities among PEM certificates that are in date and whose key is there, newest first. */
export function readAuthorities(
  { certs, keys }: { readonly certs: string; readonly keys: string },
  now: Date,
): KeyCertPair[] {
  const privateKeys = pemBlocks(keys, 'PRIVATE KEY').flatMap((pem) => {
    const key = readKey(pem);
    return key === undefined ? [] : [{ key, pem }];
  });
  const found = pemBlocks(certs, 'CERTIFICATE').flatMap((pem) => {
    const certificate = readCertificate(pem);
    if (certificate === undefined || !isAuthority(certificate, now)) return [];
    const key = privateKeys.find((candidate) => certificate.checkPrivateKey(candidate.key));
    return key === undefined
      ? []
      : [{ from: certificate.validFromDate.getTime(), pair: { cert: pem, key: key.pem } }];
  });
  return found.sort((a, b) => b.from - a.from).map(({ pair }) => pair);
}

/** Returns the authority that signs at `now`: the newest that every router can have learnt of, else the oldest. */
export function signingAuthority(authorities: Authorities, now: Date): KeyCertPair {
  const isSpread = ({ cert }: KeyCertPair) =>
    now.getTime() - new X509Certificate(cert).validFromDate.getTime() >= TRUST_SPREAD_MS;
  return authorities.find(isSpread) ?? authorities.at(-1) ?? authorities[0];
}

/** Returns the certificates of the authorities as one PEM text. */
export function trustBundle(authorities: Authorities): string {
  return authorities.map(({ cert }) => cert).join('');
}

/** Tells whether a PEM certificate has lived two thirds of its life at `now`. */
export function isDue(cert: string, now: Date): boolean {
  const { validFromDate, validToDate } = new X509Certificate(cert);
  const from = validFromDate.getTime();
  return now.getTime() >= from + (validToDate.getTime() - from) * RENEWAL_SHARE;
}

function isAuthority(certificate: X509Certificate, now: Date): boolean {
  return certificate.ca && certificate.validToDate > now;
}
