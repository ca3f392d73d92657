/** Certificates of the server, and of its clients where they must have one. */
import { readFileSync } from 'node:fs';

/** Files of the certificates, in PEM. */
export interface TlsFiles {
  /** File of the server's certificate. */
  readonly cert: string;
  readonly key: string;
  /** File of authorities; with it, clients need a certificate of one of them (mTLS). */
  readonly clientCa?: string;
}

/** Contents of the certificates' files. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
}

/** Reads the certificates' files. @throws Error that names the file. */
export function readTls({ cert, key, clientCa }: TlsFiles): TlsMaterial {
  return {
    cert: readFileSync(cert),
    key: readFileSync(key),
    ca: clientCa === undefined ? undefined : readFileSync(clientCa),
  };
}
