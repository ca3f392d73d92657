/** What a control plane knows about its routers, followed by another operator over mutual TLS. */
import { Client, type ClientDuplexStream } from '@grpc/grpc-js';
import { expect } from 'chai';
import { newAuthority, newLeaf } from '../../e2e/harness/certificates.ts';
import { eventually } from '../../e2e/harness/load.ts';
import type { RouterFact } from '../src/api/router-fact.ts';
import type { Role } from '../src/certificates/identity.ts';
import type { Authorities, TlsCredentials } from '../src/certificates/issue.ts';
import { RenewableCredentials } from '../src/certificates/renewable-credentials.ts';
import { ControlPlane } from '../src/router/control-plane.ts';
import { FactFollower } from '../src/router/fact-follower.ts';
import { RouterFleet } from '../src/router/fleet.ts';
import { EnvoyProtos, type Message } from '../src/router/protos.ts';
import { DISCOVERY, serviceDefinition } from '../src/router/streams.ts';

const SERVER = 'wherry-xds.test.svc';

describe('facts of another operator', function () {
  this.timeout(20_000);
  const protos = new EnvoyProtos();
  const closers: (() => void)[] = [];
  let authorities: Authorities;
  before(async () => {
    authorities = await newAuthority();
  });
  afterEach(() => {
    for (const close of closers.splice(0).reverse()) close();
  });

  async function credentialsOf(role: Role, from = authorities): Promise<TlsCredentials> {
    return { ...(await newLeaf(role, from, { dnsNames: [SERVER] })), ca: authorities[0].cert };
  }

  async function controlPlane(port = 0): Promise<{ control: ControlPlane; port: number }> {
    const control = new ControlPlane({ protos, onFacts: () => undefined });
    closers.push(() => control.close());
    control.update([]);
    const listening = await control.listen(`127.0.0.1:${port}`, await credentialsOf('operator'));
    return { control, port: listening };
  }

  /** A router that says its name and takes what comes. */
  async function router(port: number, name: string): Promise<ClientDuplexStream<Message, Message>> {
    const client = await clientAs(port, 'router');
    const method = serviceDefinition(protos, DISCOVERY)[DISCOVERY.method];
    if (method === undefined) throw new Error('no method');
    const stream = client.makeBidiStreamRequest<Message, Message>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
    );
    stream.on('error', () => undefined);
    stream.on('data', () => undefined);
    stream.write({
      node: { id: name },
      type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
    });
    return stream;
  }

  async function clientAs(port: number, role: Role): Promise<Client> {
    const channel = new RenewableCredentials(await credentialsOf(role)).forChannelTo('operator');
    const client = new Client(`127.0.0.1:${port}`, channel, {
      'grpc.ssl_target_name_override': SERVER,
    });
    closers.push(() => client.close());
    return client;
  }

  async function follow(port: number, credentials?: TlsCredentials) {
    const fleet = new RouterFleet();
    const facts: RouterFact[] = [];
    const renewable = new RenewableCredentials(credentials ?? (await credentialsOf('operator')));
    const follower = new FactFollower({
      address: `127.0.0.1:${port}`,
      credentials: renewable.forChannelTo('operator'),
      serverName: SERVER,
      onFacts: (news) => {
        facts.push(...news);
        fleet.apply(news);
      },
    });
    closers.push(() => follower.close());
    return { fleet, facts, follower };
  }

  it('are told from the start, as they change, and taken back when nothing is heard any more', async () => {
    const { port } = await controlPlane();
    await router(port, 'router-1');
    const { fleet, facts, follower } = await follow(port);
    await eventually('router-1 is known', () => fleet.connected === 1);
    const second = await router(port, 'router-2');
    await eventually('router-2 is known', () => fleet.connected === 2);
    second.cancel();
    await eventually('router-2 is gone', () => fleet.connected === 1);
    follower.close();
    expect(fleet.connected, 'not known any more').to.equal(0);
    expect(facts.at(-1)?.kind).to.equal('gone');
  });

  it('are followed again after the other operator has restarted', async () => {
    const { control, port } = await controlPlane();
    await router(port, 'router-1');
    const { fleet } = await follow(port);
    await eventually('router-1 is known', () => fleet.connected === 1);
    control.close();
    await eventually('nothing is known', () => fleet.connected === 0);
    await controlPlane(port);
    await router(port, 'router-3');
    await eventually('router-3 is known', () => fleet.connected === 1);
  });

  it('are not for a router, nor for somebody with another authority', async () => {
    const { port } = await controlPlane();
    await router(port, 'router-1');
    const asRouter = await follow(port, await credentialsOf('router'));
    const stranger = await newAuthority();
    const asStranger = await follow(port, await credentialsOf('operator', stranger));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect([...asRouter.facts, ...asStranger.facts]).to.deep.equal([]);
  });

  it('an operator is no router', async () => {
    const { control, port } = await controlPlane();
    const client = await clientAs(port, 'operator');
    const method = serviceDefinition(protos, DISCOVERY)[DISCOVERY.method];
    if (method === undefined) throw new Error('no method');
    const stream = client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
    );
    const error = await new Promise<{ details?: string }>((resolve) => stream.on('error', resolve));
    expect(error.details).to.equal('this is for a router: the certificate is of another role');
    expect(control.facts()).to.deep.equal([]);
  });
});
