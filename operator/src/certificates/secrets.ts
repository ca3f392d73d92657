/** Decides on plain values what the control plane's two Secrets hold, and when they are written anew. */
import { isDue, readAuthorities, trustBundle } from './authorities.ts';
import { type Authorities, type Issuance, issueAuthority, type KeyCertPair } from './issue.ts';
import { decideLeaf } from './leaf.ts';

/** The name of the Secret with the authorities and their keys, for operators alone. */
export const AUTHORITY_SECRET = 'wherry-xds-ca';
/** The name of the Secret that routers mount: their certificate, its key and what they trust. */
export const ROUTER_SECRET = 'wherry-xds-router';

/** The reason of a write that new or expired authorities make necessary. */
export const TRUST_CHANGED = 'the trusted authorities have changed';

/** A Secret's data as text, by file name. */
export type SecretData = Readonly<Record<string, string>>;

/** The data that a Secret is to hold, and why it must be written; without a reason it holds that already. */
export interface SecretDecision<T> {
  /** The certificates and keys that `data` holds. */
  readonly value: T;
  readonly data: SecretData;
  readonly reason: string | undefined;
}

/**
 * Decides on the authorities: those in date stay, and a new one joins them when the newest has lived two
 * thirds of its life or none is left.
 */
export async function decideAuthorities(
  stored: SecretData,
  issuance: Issuance,
): Promise<SecretDecision<Authorities>> {
  const { 'ca.crt': certs = '', 'ca.key': keys = '' } = stored;
  const current = readAuthorities({ certs, keys }, issuance.now);
  const [newest, ...older] = current;
  const need = authorityNeed(newest, issuance.now);
  const value: Authorities =
    newest === undefined || need !== undefined
      ? [await issueAuthority(issuance), ...current]
      : [newest, ...older];
  const data = { 'ca.crt': trustBundle(value), 'ca.key': value.map(({ key }) => key).join('') };
  const isStored = data['ca.crt'] === certs && data['ca.key'] === keys;
  const repair = isStored ? undefined : 'an authority has run out or cannot be read';
  return { value, data, reason: need ?? repair };
}

/** Decides on the certificate of the routers and on the authorities that they trust. */
export async function decideRouter(
  stored: SecretData,
  authorities: Authorities,
  issuance: Issuance,
): Promise<SecretDecision<KeyCertPair>> {
  const { 'tls.crt': cert = '', 'tls.key': key = '' } = stored;
  const leaf = { role: 'router', dnsNames: [], authorities } as const;
  const { pair, reason } = await decideLeaf({ cert, key }, leaf, issuance);
  const data = { 'tls.crt': pair.cert, 'tls.key': pair.key, 'ca.crt': trustBundle(authorities) };
  const isTrusting = data['ca.crt'] === stored['ca.crt'];
  const trust = isTrusting ? undefined : TRUST_CHANGED;
  return { value: pair, data, reason: reason ?? trust };
}

/** Tells why a new authority is needed; undefined when `newest` still does. */
function authorityNeed(newest: KeyCertPair | undefined, now: Date): string | undefined {
  if (newest === undefined) return 'no authority is in date with its key';
  return isDue(newest.cert, now) ? 'the authority is due for renewal' : undefined;
}
