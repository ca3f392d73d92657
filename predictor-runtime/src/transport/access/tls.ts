/** Certificates of the server, and of its clients where they must have one. */
import { readFileSync } from 'node:fs';

export interface TlsFiles {
  /** PEM files. */
  readonly cert: string;
  readonly key: string;
  /** With it, clients need a certificate of one of these authorities (mTLS). */
  readonly clientCa?: string;
}

export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
}

/** @throws Error that names the file. */
export function readTls({ cert, key, clientCa }: TlsFiles): TlsMaterial {
  return {
    cert: readFileSync(cert),
    key: readFileSync(key),
    ca: clientCa === undefined ? undefined : readFileSync(clientCa),
  };
}
