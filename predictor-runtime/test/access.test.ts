/** Who may call, and over what: tokens, JSON web tokens, TLS, pages of other origins. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { credentials, Metadata } from '@grpc/grpc-js';
import { expect } from 'chai';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { failure, withGrpc } from './grpc-client.ts';
import { RepositoryFolder } from './repository-folder.ts';
import { withServer } from './server.ts';

const iris = fileURLToPath(new URL('../models/iris', import.meta.url));

async function status(url: string, headers: Record<string, string> = {}) {
  const reply = await fetch(url, { headers });
  const { error } = (await reply.json()) as { error?: string };
  return [reply.status, error];
}

describe('bearer tokens', () => {
  it('of a file that holds no keys end the start with the reason', async () => {
    using folder = new RepositoryFolder({ 'keys.json': '{"key": 1}' });
    const jwks = `${folder.dir}/keys.json`;
    const start = withServer({ modelName: 'iris', modelDir: iris, access: { jwks } }, async () => {
      throw new Error('it started');
    });
    const reason = await start.catch((error: Error) => error.message);
    expect(reason).to.equal(`${jwks} is no JSON Web Key Set: it has no array 'keys'`);
  });

  it('are asked for everywhere but by probes and scrapers', async () => {
    using folder = new RepositoryFolder({ tokens: 'first\nsecond\n' });
    const access = { tokenFile: `${folder.dir}/tokens` };
    await withServer({ modelName: 'iris', modelDir: iris, access }, async (url) => {
      const needs = [401, 'needs credentials: send Authorization: Bearer TOKEN'];
      expect(await status(`${url}/v2/models/iris`)).to.deep.equal(needs);
      expect(
        await status(`${url}/v2/models/iris`, { authorization: 'Bearer third' }),
      ).to.deep.equal(needs);
      expect(
        await status(`${url}/v2/models/iris`, { authorization: 'Basic second' }),
      ).to.deep.equal(needs);
      expect(
        await status(`${url}/v2/models/iris`, { authorization: 'Bearer second' }),
      ).to.deep.equal([200, undefined]);
      expect(await status(`${url}/v2/health/ready`)).to.deep.equal([200, undefined]);
      expect((await fetch(`${url}/metrics`)).status).to.equal(200);
    });
    await withGrpc({ modelName: 'iris', modelDir: iris, access }, async (call) => {
      const refused = await call('ServerReady', {}).catch(failure);
      expect(refused).to.equal('16 needs credentials: send Authorization: Bearer TOKEN');
      const metadata = new Metadata();
      metadata.set('authorization', 'Bearer first');
      expect(await call('ServerReady', {}, { metadata })).to.deep.equal({ ready: true });
    });
  });
});

describe('JSON web tokens', () => {
  it('are checked against the keys, issuer, audience and time', async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256');
    const { privateKey: otherKey } = await generateKeyPair('RS256');
    const keys = JSON.stringify({
      keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256' }],
    });
    const provider = createServer((_req, res) => res.end(keys)).listen(0, '127.0.0.1');
    await once(provider, 'listening');
    const jwksUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/keys`;
    using folder = new RepositoryFolder({ 'keys.json': keys });
    const token = (
      key: typeof privateKey,
      { issuer = 'me', audience = 'wherry', expires = '1h' } = {},
    ) =>
      new SignJWT({})
        .setProtectedHeader({ alg: 'RS256', kid: 'k' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setExpirationTime(expires)
        .sign(key);
    try {
      for (const jwks of [`${folder.dir}/keys.json`, jwksUrl]) {
        const access = { jwks, issuer: 'me', audience: 'wherry' };
        await withServer({ modelName: 'iris', modelDir: iris, access }, async (url) => {
          const ask = async (jwt: string) =>
            status(`${url}/v2/models/iris`, { authorization: `Bearer ${jwt}` });
          expect(await ask(await token(privateKey))).to.deep.equal([200, undefined]);
          for (const [jwt, error] of [
            [await token(otherKey), 'signature verification failed'],
            [await token(privateKey, { issuer: 'you' }), 'unexpected "iss" claim value'],
            [await token(privateKey, { audience: 'others' }), 'unexpected "aud" claim value'],
            [await token(privateKey, { expires: '-1h' }), '"exp" claim timestamp check failed'],
          ] as const) {
            expect(await ask(jwt)).to.deep.equal([401, `token is refused: ${error}`]);
          }
        });
      }
    } finally {
      provider.close();
      provider.closeAllConnections();
    }
  });
});

describe('TLS', () => {
  it('encrypts REST and gRPC, and can ask clients for a certificate', async () => {
    using folder = new RepositoryFolder({ x: '' });
    const openssl = (...args: string[]) =>
      execFileSync('openssl', args, { cwd: folder.dir, stdio: 'pipe' });
    for (const name of ['ca', 'server', 'client']) {
      openssl(
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '2',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.crt`,
        '-subj',
        `/CN=${name}`,
        '-addext',
        'subjectAltName=DNS:localhost,IP:127.0.0.1',
      );
    }
    const file = (name: string) => `${folder.dir}/${name}`;
    const read = (name: string) => readFileSync(file(name));
    const tls = { cert: file('server.crt'), key: file('server.key') };
    const ask = (url: string, options: object): Promise<number | string> =>
      new Promise((resolve) => {
        const req = secureRequest(
          `${url.replace('http:', 'https:')}/v2/health/ready`,
          options,
          (res) => {
            res.resume();
            resolve(res.statusCode ?? 0);
          },
        );
        req.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
        req.end();
      });
    await withServer({ modelName: 'iris', modelDir: iris, tls }, async (url) => {
      expect(await ask(url, { ca: read('server.crt') })).to.equal(200);
      expect(await ask(url, { ca: read('ca.crt') })).to.equal('DEPTH_ZERO_SELF_SIGNED_CERT');
    });
    const mutual = { ...tls, clientCa: file('client.crt') };
    const own = { ca: read('server.crt'), cert: read('client.crt'), key: read('client.key') };
    await withServer({ modelName: 'iris', modelDir: iris, tls: mutual }, async (url) => {
      expect(await ask(url, own)).to.equal(200);
      expect(await ask(url, { ca: read('server.crt') })).to.be.a('string');
    });
    const channel = credentials.createSsl(own.ca, own.key, own.cert);
    await withGrpc(
      { modelName: 'iris', modelDir: iris, tls: mutual },
      async (call) => {
        expect(await call('ServerReady', {})).to.deep.equal({ ready: true });
      },
      channel,
    );
  });
});

describe('pages of other origins', () => {
  it('may call when their origin is allowed', async () => {
    const config = { modelName: 'iris', modelDir: iris, corsAllowOrigin: ['https://a.example'] };
    await withServer(config, async (url) => {
      const preflight = (origin: string) =>
        fetch(`${url}/v2/models/iris/infer`, {
          method: 'OPTIONS',
          headers: {
            origin,
            'access-control-request-method': 'POST',
            'access-control-request-headers': 'content-type',
          },
        });
      const allowed = await preflight('https://a.example');
      expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).to.deep.equal([
        204,
        'https://a.example',
      ]);
      expect(allowed.headers.get('access-control-allow-headers')).to.equal('content-type');
      const refused = await preflight('https://b.example');
      expect([refused.status, refused.headers.get('access-control-allow-origin')]).to.deep.equal([
        405,
        null,
      ]);
      const simple = await fetch(`${url}/v2`, { headers: { origin: 'https://a.example' } });
      expect(simple.headers.get('access-control-allow-origin')).to.equal('https://a.example');
    });
  });
});
