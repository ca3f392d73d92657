/** Certificates of a control plane for tests, made by the operator's own code. */
import type { Role } from '../../operator/src/certificates/identity.ts';
import {
  type Authorities,
  drawIssuance,
  issueAuthority,
  issueLeaf,
  type KeyCertPair,
} from '../../operator/src/certificates/issue.ts';

/** Makes a new authority that is the only one trusted. */
export async function newAuthority(now = new Date()): Promise<Authorities> {
  return [await issueAuthority(drawIssuance(now))];
}

export interface NewLeaf {
  readonly now?: Date;
  readonly serialNumber?: string;
  readonly dnsNames?: readonly string[];
}

/** Makes a party's certificate that the newest of the authorities signs. */
export async function newLeaf(
  role: Role,
  authorities: Authorities,
  { now = new Date(), dnsNames = [], serialNumber }: NewLeaf = {},
): Promise<KeyCertPair> {
  const issuance = drawIssuance(now);
  return issueLeaf({
    ...issuance,
    serialNumber: serialNumber ?? issuance.serialNumber,
    role,
    dnsNames,
    authority: authorities[0],
  });
}
