/** A gRPC server and its callers whose certificates are renewed while they talk. */
import {
  Client,
  type ClientDuplexStream,
  Metadata,
  Server,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { expect } from 'chai';
import { newAuthority, newLeaf } from '../../e2e/harness/certificates.ts';
import { trustBundle } from '../src/certificates/authorities.ts';
import { peerRole, type Role } from '../src/certificates/identity.ts';
import type { Authorities, TlsCredentials } from '../src/certificates/issue.ts';
import { RenewableCredentials } from '../src/certificates/renewable-credentials.ts';

const text = (value: string) => Buffer.from(value);
const SERVICE: ServiceDefinition = {
  ask: {
    path: '/test/ask',
    requestStream: true,
    responseStream: true,
    requestSerialize: text,
    requestDeserialize: String,
    responseSerialize: text,
    responseDeserialize: String,
  },
};

async function credentials(role: Role, authorities: Authorities): Promise<TlsCredentials> {
  return { ...(await newLeaf(role, authorities)), ca: trustBundle(authorities) };
}

describe('RenewableCredentials', () => {
  const server = new Server();
  const clients: Client[] = [];
  let first: Authorities;
  let served: RenewableCredentials;
  let port: number;

  before(async () => {
    first = await newAuthority();
    served = new RenewableCredentials(await credentials('operator', first));
    server.addService(SERVICE, {
      ask: (call: ServerDuplexStream<string, string>) => {
        const certificate = call.getAuthContext()?.sslPeerCertificate ?? {};
        call.on('data', () => call.write(peerRole(certificate) ?? 'nobody'));
        call.on('end', () => call.end());
      },
    });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    server.bindAsync('127.0.0.1:0', served.forServer(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
    port = await promise;
  });

  after(() => {
    for (const client of clients) client.close();
    server.forceShutdown();
  });

  function open(own: RenewableCredentials, server_: Role = 'operator') {
    const client = new Client(`127.0.0.1:${port}`, own.forChannelTo(server_), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.ssl_target_name_override': 'wherry-xds',
    });
    clients.push(client);
    return client.makeBidiStreamRequest('/test/ask', text, String, new Metadata());
  }

  /** Returns the server's answer, or why there is none. */
  function ask(stream: ClientDuplexStream<string, string>): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    stream.once('data', resolve);
    stream.once('error', (error) => resolve(error.message));
    stream.write('who am I?');
    return promise;
  }

  it('lets the server know its callers, and refuses strangers', async () => {
    const router = new RenewableCredentials(await credentials('router', first));
    expect(await ask(open(router))).to.equal('router');
    const operator = new RenewableCredentials(await credentials('operator', first));
    expect(await ask(open(operator))).to.equal('operator');
    const stranger = {
      ...(await credentials('router', await newAuthority())),
      ca: trustBundle(first),
    };
    expect(await ask(open(new RenewableCredentials(stranger)))).to.contain('UNAVAILABLE');
  });

  it('lets the caller talk to a peer of one role only', async () => {
    const operator = new RenewableCredentials(await credentials('operator', first));
    expect(await ask(open(operator, 'router'))).to.contain('the server is no router');
  });

  it('uses renewed credentials for new connections and keeps the open ones', async () => {
    const router = new RenewableCredentials(await credentials('router', first));
    const stream = open(router);
    expect(await ask(stream)).to.equal('router');

    const second: Authorities = await newAuthority();
    served.renew(await credentials('operator', second));
    expect(await ask(stream)).to.equal('router');
    expect(await ask(open(router))).to.contain('UNAVAILABLE');
    router.renew(await credentials('router', second));
    expect(await ask(open(router))).to.equal('router');
    expect(await ask(stream)).to.equal('router');
  });
});
