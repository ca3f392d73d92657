/**
 * Assignment of a revision to a server of a warm pool: a JSON web token that an operator signs with the key of its
 * certificate, which comes along (RFC 7515, `x5c`). It names one pod and holds for seconds.
 */
import type { X509Certificate as Certificate } from 'node:crypto';
import { errors, type JWTHeaderParameters, jwtVerify } from 'jose';
import { InferenceError } from '../protocol/errors.ts';

// An import would be bundled as functions that are loaded with their first call (scripts/bundle.ts); this is a class.
const { X509Certificate } = process.getBuiltinModule('node:crypto');

/** The one URI name in the certificates of operators. */
const OPERATOR = 'URI:spiffe://wherry/operator';

/** A revision, and the arguments with which its own pods start their server. */
export interface Assignment {
  /** Namespace and name of the revision. */
  readonly revision: string;
  readonly args: readonly string[];
}

/** Everything that an assignment is judged by. */
export interface AssignmentRules {
  /** Certificates of the authorities that sign those of operators, in PEM. */
  readonly authorities: string;
  /** UID of the pod that the assignment must be for. */
  readonly podUid: string;
  readonly now: Date;
}

/**
 * Reads an assignment.
 * @throws InferenceError PERMISSION_DENIED when no operator of the authorities has signed it for this pod and this time;
 *   INVALID_ARGUMENT for a signed one without a revision or arguments.
 */
export async function readAssignment(token: string, rules: AssignmentRules): Promise<Assignment> {
  const { podUid: audience, now: currentDate } = rules;
  const options = { audience, currentDate, algorithms: ['ES256'], requiredClaims: ['exp'] };
  const keyOf = ({ x5c }: JWTHeaderParameters) => signer(x5c, rules);
  const { payload } = await jwtVerify(token, keyOf, options).catch((error: Error) => {
    if (!(error instanceof errors.JOSEError)) throw error;
    throw refused(error.message);
  });
  const { sub: revision, args } = payload;
  const isText = (value: unknown) => typeof value === 'string';
  if (revision === undefined || !Array.isArray(args) || !args.every(isText)) {
    throw new InferenceError('INVALID_ARGUMENT', "assignment: needs 'sub' and 'args'");
  }
  return { revision, args };
}

/** Returns the key of the certificate that came along, when it is an operator's. @throws InferenceError */
function signer([text = '']: readonly string[] = [], { authorities, now }: AssignmentRules) {
  const certificate = readCertificate(text);
  const isSigned = certificates(authorities).some(
    (authority) => certificate?.checkIssued(authority) && certificate.verify(authority.publicKey),
  );
  if (certificate === undefined || !isSigned)
    throw refused('no authority of the pool signed its certificate');
  const names = certificate.subjectAltName?.split(', ').filter((name) => name.startsWith('URI:'));
  if (names?.join() !== OPERATOR) throw refused("its certificate is not an operator's");
  if (now < certificate.validFromDate || now > certificate.validToDate) {
    throw refused('its certificate is out of date');
  }
  return certificate.publicKey;
}

function readCertificate(base64: string): Certificate | undefined {
  try {
    return new X509Certificate(Buffer.from(base64, 'base64'));
  } catch {
    return undefined;
  }
}

function certificates(pem: string): Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

function refused(reason: string): InferenceError {
  return new InferenceError('PERMISSION_DENIED', `assignment refused: ${reason}`);
}
