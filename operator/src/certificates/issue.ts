/** Makes certificates from values: the time, the serial number and the keys come in as arguments. */
import 'reflect-metadata';
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { type Role, SPIFFE_IDS } from './identity.ts';

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
const LEAF_DAYS = 90;
/** Validity starts this long before now, because clocks of nodes differ. Source: kube-controller-manager's CSR signer. */
const BACKDATE_MS = 5 * 60_000;

const P256 = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' };

/** A certificate and its private key (PKCS #8), both in PEM. */
export interface KeyCertPair {
  readonly cert: string;
  readonly key: string;
}

/** The credentials with which an operator listens, and calls other operators; all in PEM. */
export interface TlsCredentials extends KeyCertPair {
  /** Authorities that sign the peers' certificates. */
  readonly ca: string;
}

/** Authorities that a control plane trusts, newest first. */
export type Authorities = readonly [KeyCertPair, ...KeyCertPair[]];

/**
 * The values that a new certificate needs from outside: the time, a serial number and a pair of P-256 keys.
 */
export interface Issuance {
  readonly now: Date;
  /** The serial number in hexadecimal: positive, at most 20 octets. Source: RFC 5280, section 4.1.2.2. */
  readonly serialNumber: string;
  readonly keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
}

/** Draws a serial number and keys for one certificate that is made at `now`. */
export function drawIssuance(now: Date): Issuance {
  // The first octet keeps the number positive and of a fixed length.
  const serialNumber = `4${randomBytes(16).toString('hex').slice(1)}`;
  return { now, serialNumber, keys: generateKeyPairSync('ec', { namedCurve: 'P-256' }) };
}

/** Makes a certificate authority that is valid for 10 years and signs leaves only. */
export async function issueAuthority(issuance: Issuance): Promise<KeyCertPair> {
  // Two authorities of one name in a trust bundle would be told apart by their key identifiers only.
  const name: x509.JsonName = [{ CN: [`wherry-xds-ca-${issuance.serialNumber.slice(0, 12)}`] }];
  return issue(issuance, {
    subject: name,
    issuer: name,
    notAfter: after(issuance.now, AUTHORITY_DAYS),
    signingKey: issuance.keys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
    ],
  });
}

/** The party that a certificate is for, and the authority that signs it. */
export interface LeafOptions extends Issuance {
  readonly role: Role;
  /** The DNS names of a server; empty for a party that only connects. */
  readonly dnsNames: readonly string[];
  readonly authority: KeyCertPair;
}

/** Makes a party's certificate that is valid for 90 days, or for as long as its authority if that is shorter. */
export async function issueLeaf(options: LeafOptions): Promise<KeyCertPair> {
  const { role, dnsNames, authority, now } = options;
  const parent = new x509.X509Certificate(authority.cert);
  const signingKey = createPrivateKey(authority.key);
  const authorityKey = await parent.publicKey.export();
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  return issue(options, {
    subject: [{ CN: [`wherry-${role}`] }],
    issuer: parent.subjectName,
    notAfter: new Date(Math.min(after(now, LEAF_DAYS).getTime(), parent.notAfter.getTime())),
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      // Operators call each other, so that theirs is a client's certificate, too.
      new x509.ExtendedKeyUsageExtension(
        role === 'operator' ? [serverAuth, clientAuth] : [clientAuth],
      ),
      new x509.SubjectAlternativeNameExtension([
        ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
        { type: 'url', value: SPIFFE_IDS[role] },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(authorityKey),
    ],
  });
}

interface Template {
  readonly subject: x509.JsonName;
  readonly issuer: x509.JsonName | x509.Name;
  readonly notAfter: Date;
  readonly signingKey: KeyObject;
  readonly extensions: x509.Extension[];
}

async function issue(
  { now, serialNumber, keys }: Issuance,
  { signingKey, extensions, ...template }: Template,
): Promise<KeyCertPair> {
  const publicKey = keys.publicKey.toCryptoKey(P256, true, ['verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    ...template,
    serialNumber,
    publicKey,
    notBefore: new Date(now.getTime() - BACKDATE_MS),
    signingKey: signingKey.toCryptoKey(P256, false, ['sign']),
    signingAlgorithm: SIGNATURE,
    extensions: [...extensions, await x509.SubjectKeyIdentifierExtension.create(publicKey)],
  });
  return {
    cert: `${certificate.toString('pem')}\n`,
    key: String(keys.privateKey.export({ type: 'pkcs8', format: 'pem' })),
  };
}

function after(now: Date, days: number): Date {
  return new Date(now.getTime() + days * DAY_MS);
}
