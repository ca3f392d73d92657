/** Reads what may be broken: PEM texts out of a Secret that anybody may have edited. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';

/** Returns a P-256 key in PEM as a value; undefined for anything else. */
export function readKey(pem: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(pem);
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : undefined;
  } catch {
    return undefined;
  }
}

/** Returns a certificate in PEM as a value; undefined when it cannot be read. */
export function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** Returns the PEM blocks of a text that have this label, such as `CERTIFICATE`. */
export function pemBlocks(text: string, label: string): string[] {
  const block = new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`, 'g');
  return (text.match(block) ?? []).map((pem) => `${pem}\n`);
}
