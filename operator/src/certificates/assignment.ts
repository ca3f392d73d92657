/** The assignment of a revision to one pod of a warm pool, which the operator signs with its certificate's key. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { SignJWT } from 'jose';
import type { KeyCertPair } from './issue.ts';

/** Seconds for which an assignment can be used; clocks of nodes differ. */
const VALID_SECONDS = 60;

/** A revision for one pod, and the time of its assignment. */
export interface Assignment {
  /** UID of the pod, the only one that takes it. */
  readonly podUid: string;
  /** Namespace and name of the revision. */
  readonly revision: string;
  /** Arguments with which the revision's own pods start their server. */
  readonly args: readonly string[];
  readonly now: Date;
}

/** Signs an assignment: a JSON web token with the certificate along with it (RFC 7515, `x5c`). */
export async function signAssignment(
  { cert, key }: KeyCertPair,
  { podUid, revision, args, now }: Assignment,
): Promise<string> {
  const x5c = [new X509Certificate(cert).raw.toString('base64')];
  const seconds = Math.floor(now.getTime() / 1000);
  return new SignJWT({ args })
    .setProtectedHeader({ alg: 'ES256', x5c })
    .setSubject(revision)
    .setAudience(podUid)
    .setExpirationTime(seconds + VALID_SECONDS)
    .sign(createPrivateKey(key));
}
