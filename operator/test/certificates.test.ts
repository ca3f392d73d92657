/** The control plane's certificates: over the years, before OpenSSL, in a TLS handshake, and with replicas that race. */

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { newAuthority, newLeaf } from '../../e2e/harness/certificates.ts';
import { run } from '../../e2e/harness/shell.ts';
import { signingAuthority, trustBundle } from '../src/certificates/authorities.ts';
import { peerRole, type Role } from '../src/certificates/identity.ts';
import { type Authorities, drawIssuance, type KeyCertPair } from '../src/certificates/issue.ts';
import { decideLeaf } from '../src/certificates/leaf.ts';
import { decideAuthorities, decideRouter } from '../src/certificates/secrets.ts';

const START = new Date('2026-03-01T12:00:00Z');
const DAY_MS = 86_400_000;
const DNS_NAME = 'wherry-xds.wherry-system.svc.cluster.local';

function daysLater(days: number): Date {
  return new Date(START.getTime() + days * DAY_MS);
}

const authority = (now = START) => newAuthority(now);
const leaf = (role: Role, authorities: Authorities, now = START) =>
  newLeaf(role, authorities, { now, dnsNames: role === 'operator' ? [DNS_NAME] : [] });

describe('certificates over time', () => {
  it('keeps an authority for two thirds of ten years and then adds another', async () => {
    const first = await decideAuthorities({}, drawIssuance(START));
    expect(first.reason).to.equal('no authority is in date with its key');
    const later = await decideAuthorities(first.data, drawIssuance(daysLater(2432)));
    expect([later.reason, later.data]).to.deep.equal([undefined, first.data]);

    const second = await decideAuthorities(first.data, drawIssuance(daysLater(2434)));
    expect(second.reason).to.equal('the authority is due for renewal');
    expect(second.value.slice(1)).to.deep.equal(first.value);
    const third = await decideAuthorities(second.data, drawIssuance(daysLater(3651)));
    expect(third.reason).to.equal('an authority has run out or cannot be read');
    expect(third.value).to.deep.equal(second.value.slice(0, 1));
  });

  it('signs with a new authority only after a day, when every router trusts it', async () => {
    const [old] = await authority();
    const [young] = await authority(daysLater(2434));
    const both: Authorities = [young, old];
    expect(signingAuthority(both, daysLater(2434.5))).to.equal(old);
    expect(signingAuthority(both, daysLater(2435))).to.equal(young);
    expect(signingAuthority([young], daysLater(2434))).to.equal(young);
  });

  it('renews a leaf after 60 of its 90 days and keeps it until then', async () => {
    const authorities = await authority();
    const router = { role: 'router', dnsNames: [], authorities } as const;
    const pair = await leaf('router', authorities);
    const before = await decideLeaf(pair, router, drawIssuance(daysLater(59.9)));
    expect(before).to.deep.equal({ pair, reason: undefined });
    const after = await decideLeaf(pair, router, drawIssuance(daysLater(60.1)));
    expect(after.reason).to.equal('the certificate is due for renewal');
    const { validToDate } = new X509Certificate(after.pair.cert);
    expect(validToDate).to.deep.equal(daysLater(150.1));
  });

  it('gives no leaf a longer life than its authority has', async () => {
    const authorities = await authority();
    const pair = await leaf('router', authorities, daysLater(3600));
    expect(new X509Certificate(pair.cert).validToDate).to.deep.equal(daysLater(3650));
  });

  it('keeps the certificate of the routers when only the trusted authorities change', async () => {
    const authorities = await authority();
    const first = await decideRouter({}, authorities, drawIssuance(START));
    const more: Authorities = [...(await authority()), ...authorities];
    const second = await decideRouter(first.data, more, drawIssuance(START));
    expect(second.reason).to.equal('the trusted authorities have changed');
    expect(second.data).to.deep.equal({ ...first.data, 'ca.crt': trustBundle(more) });
  });

  it('makes anew what is broken, and says what was wrong', async () => {
    const authorities = await authority();
    const good = await leaf('router', authorities);
    const other = await leaf('router', authorities);
    const broken: Record<string, KeyCertPair> = {
      'the certificate cannot be read': { ...good, cert: 'oops' },
      'the key cannot be read': { ...good, key: '' },
      'the key is not that of the certificate': { ...good, key: other.key },
      'no current authority signed the certificate': await leaf('router', await authority()),
      'the certificate does not name the role router': await leaf('operator', authorities),
    };
    for (const [reason, { cert, key }] of Object.entries(broken)) {
      const stored = { 'tls.crt': cert, 'tls.key': key, 'ca.crt': trustBundle(authorities) };
      const decision = await decideRouter(stored, authorities, drawIssuance(START));
      expect(decision.reason).to.equal(reason);
      const again = await decideRouter(decision.data, authorities, drawIssuance(START));
      expect(again.reason).to.equal(undefined);
    }
  });

  it('keeps the authorities that can be read when another entry cannot', async () => {
    const [{ cert, key }] = await authority();
    const [orphan] = await authority();
    for (const [certs, keys] of [
      [`${cert}${orphan.cert}`, key],
      [cert, `${key}rubbish`],
      [`rubbish${cert}`, key],
    ] as const) {
      const stored = { 'ca.crt': certs, 'ca.key': keys };
      const { value, reason } = await decideAuthorities(stored, drawIssuance(START));
      expect(value).to.deep.equal([{ cert, key }]);
      expect(reason).to.equal('an authority has run out or cannot be read');
    }
  });
});

describe('certificates before OpenSSL', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wherry-certificates-'));
  after(() => rmSync(dir, { recursive: true }));

  async function openssl(command: string, files: Record<string, string>, ...args: string[]) {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    return run('openssl', [command, ...args], { cwd: dir });
  }

  const verify = (purpose: string, cert: string, ca: string) =>
    openssl(
      'verify',
      { 'cert.pem': cert, 'ca.pem': ca },
      ...['-x509_strict', '-attime', String(START.getTime() / 1000), '-purpose', purpose],
      ...['-CAfile', 'ca.pem', 'cert.pem'],
    );

  it('verifies, for what each is made', async () => {
    const authorities: Authorities = [...(await authority()), ...(await authority())];
    const bundle = trustBundle(authorities);
    const operator = await leaf('operator', authorities);
    const router = await leaf('router', authorities);
    expect(await verify('sslserver', operator.cert, bundle)).to.contain('OK');
    expect(await verify('sslclient', operator.cert, bundle)).to.contain('OK');
    expect(await verify('sslclient', router.cert, bundle)).to.contain('OK');
    const asServer = await verify('sslserver', router.cert, bundle).catch(String);
    expect(asServer).to.match(/unsuitable certificate purpose|unsupported certificate purpose/);
    const ofAnother = await verify('sslclient', router.cert, trustBundle(await authority())).catch(
      String,
    );
    expect(ofAnother).to.contain('unable to get local issuer certificate');
  });

  it('carries names, purposes and key identifiers', async () => {
    const authorities = await authority();
    const { cert } = await leaf('operator', authorities);
    const text = await openssl('x509', { 'cert.pem': cert }, '-in', 'cert.pem', '-noout', '-text');
    for (const part of [
      `DNS:${DNS_NAME}, URI:spiffe://wherry/operator`,
      'TLS Web Server Authentication, TLS Web Client Authentication',
      'CA:FALSE',
      'ASN1 OID: prime256v1',
      'ecdsa-with-SHA256',
      'Authority Key Identifier',
      'Not Before: Mar  1 11:55:00 2026 GMT',
      'Not After : May 30 12:00:00 2026 GMT',
    ]) {
      expect(text).to.contain(part);
    }
  });

  it('draws serial numbers of 16 octets that are positive and never alike', () => {
    const drawn = Array.from({ length: 100 }, () => drawIssuance(START).serialNumber);
    expect(new Set(drawn).size).to.equal(100);
    for (const serial of drawn) expect(serial).to.match(/^4[0-9a-f]{31}$/);
  });
});

describe('certificates in a TLS handshake', () => {
  const now = new Date();
  let server: Server;
  let authorities: Authorities;

  before(async () => {
    authorities = await authority(now);
    const { cert, key } = await leaf('operator', authorities, now);
    const ca = trustBundle(authorities);
    server = createServer({ cert, key, ca, requestCert: true }, (socket) => {
      socket.end(peerRole(socket.getPeerCertificate()) ?? 'no role');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  after(() => server.close());

  /** Returns what the server says to this client, or the server's reason to refuse it. */
  function answer(client: Partial<KeyCertPair>): Promise<string> {
    const { port } = server.address() as AddressInfo;
    const { promise, resolve } = Promise.withResolvers<string>();
    const ca = trustBundle(authorities);
    const socket: TLSSocket = connect({ ...client, ca, port, servername: DNS_NAME });
    server.once('tlsClientError', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    socket.on('data', (chunk: Buffer) => resolve(String(chunk)));
    // In TLS 1.3 the client learns of a refusal only after its own handshake is done.
    socket.on('error', () => undefined);
    return promise.finally(() => {
      server.removeAllListeners('tlsClientError');
      socket.destroy();
    });
  }

  it('takes routers and operators and tells them apart', async () => {
    expect(await answer(await leaf('router', authorities, now))).to.equal('router');
    expect(await answer(await leaf('operator', authorities, now))).to.equal('operator');
  });

  it('refuses a client without a certificate, with an expired one, or with one of another authority', async () => {
    const expired = await leaf('router', authorities, new Date(now.getTime() - 91 * DAY_MS));
    const foreign = await leaf('router', await authority(now), now);
    expect(await answer({})).to.equal('ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE');
    // Node ends the connection without an alert when the certificate does not verify.
    expect(await answer(expired)).to.equal('ECONNRESET');
    expect(await answer(foreign)).to.equal('ECONNRESET');
  });

  it('names no role for a peer without a certificate', () => {
    expect(peerRole({})).to.equal(undefined);
  });
});
