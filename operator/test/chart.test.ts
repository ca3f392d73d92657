/** The chart as rendered: valid objects, who may reach what, and a real Envoy with the routers' bootstrap. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { load } from 'js-yaml';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { Role } from 'kubernetes-models/rbac.authorization.k8s.io/v1/Role';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { IContainer as Container } from 'kubernetes-models/v1/Container';
import { Service } from 'kubernetes-models/v1/Service';
import { newAuthority, newLeaf } from '../../e2e/harness/certificates.ts';
import { availableHelm, renderChart } from '../../e2e/harness/helm.ts';
import { eventually } from '../../e2e/harness/load.ts';
import { run } from '../../e2e/harness/shell.ts';
import type { KubeObject } from '../src/api/kube.ts';
import { LATENCY_BOUNDS } from '../src/api/revision-signals.ts';
import { trustBundle } from '../src/certificates/authorities.ts';
import { type Role as PeerRole, peerRole } from '../src/certificates/identity.ts';
import type { Authorities, KeyCertPair } from '../src/certificates/issue.ts';
import { AUTHORITY_SECRET, ROUTER_SECRET } from '../src/certificates/secrets.ts';
import { LATENCY } from '../src/router/signal-resources.ts';

const helm = await availableHelm();
const envoy = process.env.WHERRY_ENVOY;
const describeWithHelm = helm === undefined ? describe.skip : describe;
const MODELS = { ConfigMap, Deployment, NetworkPolicy, PodDisruptionBudget, Role, Service };

interface Rendered extends KubeObject {
  readonly spec: Record<string, unknown>;
}

const render = (...values: string[]) => renderChart<Rendered>(helm ?? '', values);

function named<T>(objects: readonly KubeObject[], kind: string, name: string): T {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  expect(found, `${kind} ${name}`).not.to.equal(undefined);
  return found as T;
}

const namesOf = (objects: readonly KubeObject[], kind: string) =>
  objects.filter((object) => object.kind === kind).map(({ metadata }) => metadata.name);

describeWithHelm('chart', function () {
  this.timeout(20_000);

  it('renders objects that Kubernetes’ own schemas accept', async () => {
    const objects = await render(
      'operator.replicas=2',
      'router.service.type=LoadBalancer',
      'externalScaler.enabled=true',
    );
    const checked = objects.filter(({ kind }) => kind in MODELS);
    expect(new Set(checked.map(({ kind }) => kind)).size).to.equal(Object.keys(MODELS).length);
    for (const object of checked) {
      new MODELS[object.kind as keyof typeof MODELS](object as never).validate();
    }
  });

  it('gives every Service both IP families where the cluster has them', async () => {
    const objects = await render();
    const services = objects.filter(({ kind }) => kind === 'Service');
    expect(services).to.have.length(3);
    for (const { spec } of services) {
      expect(spec.ipFamilyPolicy).to.equal('PreferDualStack');
      expect(spec.selector).to.have.property('app.kubernetes.io/name');
    }
  });

  it('has routers count latencies in the buckets that the operator knows', async () => {
    const { data } = named<ConfigMap>(await render(), 'ConfigMap', 'wherry-router');
    const { stats_config } = load(data?.['envoy.yaml'] ?? '') as {
      stats_config: { histogram_bucket_settings: readonly object[] };
    };
    expect(stats_config.histogram_bucket_settings).to.deep.equal([
      { match: { prefix: LATENCY }, buckets: LATENCY_BOUNDS },
    ]);
  });

  it('keeps one pod of what has several', async () => {
    expect(namesOf(await render(), 'PodDisruptionBudget')).to.deep.equal(['wherry-router']);
    const more = await render('operator.replicas=2', 'router.replicas=1');
    expect(namesOf(more, 'PodDisruptionBudget')).to.deep.equal(['wherry-operator']);
  });

  it('opens the control plane to its own routers and operators alone', async () => {
    const { spec } = named<NetworkPolicy>(await render(), 'NetworkPolicy', 'wherry-operator');
    const [xds, metrics] = spec?.ingress ?? [];
    expect(xds?.ports).to.deep.equal([{ port: 'xds' }]);
    const peers = xds?.from?.map(({ podSelector }) => podSelector?.matchLabels);
    const instance = { 'app.kubernetes.io/instance': 'wherry' };
    expect(peers).to.deep.equal([
      { 'app.kubernetes.io/name': 'wherry-router', ...instance },
      { 'app.kubernetes.io/name': 'wherry-operator', ...instance },
    ]);
    expect(metrics).to.deep.equal({ ports: [{ port: 'metrics' }] });
  });

  it('takes narrower NetworkPolicies, or none', async () => {
    const narrow = await render(
      'networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus',
    );
    const { spec } = named<NetworkPolicy>(narrow, 'NetworkPolicy', 'wherry-operator');
    expect(spec?.ingress?.[1]?.from).to.deep.equal([
      { podSelector: { matchLabels: { app: 'prometheus' } } },
    ]);
    const none = await render('networkPolicy.enabled=false');
    expect(namesOf(none, 'NetworkPolicy')).to.deep.equal([]);
  });

  it('opens the external scaler where it is enabled, to KEDA or to whom you say', async () => {
    const off = await render();
    expect(namesOf(off, 'Service')).not.to.include('wherry-external-scaler');
    const args = (objects: readonly KubeObject[]) =>
      named<Deployment>(objects, 'Deployment', 'wherry-operator').spec?.template.spec?.containers[0]
        ?.args;
    expect(args(off)?.join(' ')).not.to.include('external-scaler');

    const on = await render('externalScaler.enabled=true');
    expect(args(on)).to.include('--external-scaler-port=18001');
    const { spec } = named<Service>(on, 'Service', 'wherry-external-scaler');
    expect([spec?.selector, spec?.ports]).to.deep.equal([
      undefined,
      [{ name: 'grpc', port: 18001 }],
    ]);
    const policy = named<NetworkPolicy>(on, 'NetworkPolicy', 'wherry-operator');
    expect(policy.spec?.ingress?.[2]).to.deep.equal({
      ports: [{ port: 'keda' }],
      from: [
        {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'keda' } },
          podSelector: { matchLabels: { app: 'keda-operator' } },
        },
      ],
    });
    const open = await render('externalScaler.enabled=true', 'externalScaler.from=null');
    const { ingress } = named<NetworkPolicy>(open, 'NetworkPolicy', 'wherry-operator').spec ?? {};
    expect(ingress?.[2]).to.deep.equal({ ports: [{ port: 'keda' }] });
  });

  it('names the user of images that name none, and the class and envelope that a model asks for', async () => {
    const objects = await render();
    const container = (name: string) => {
      const { spec } = named<Rendered>(objects, 'ClusterServingRuntime', name);
      return (spec.containers as Container[])[0] as Container;
    };
    for (const name of ['kserve-tensorflow-serving', 'kserve-torchserve', 'kserve-tritonserver']) {
      const { runAsNonRoot, runAsUser } = container(name).securityContext ?? {};
      expect([runAsNonRoot, runAsUser], name).to.deep.equal([true, 1000]);
    }
    expect(container('kserve-sklearnserver').securityContext).not.to.have.property('runAsUser');
    const value = (name: string, variable: string) =>
      container(name).env?.find((one) => one.name === variable)?.value;
    expect(value('kserve-torchserve', 'TS_SERVICE_ENVELOPE')).to.equal(
      '{{.Labels.serviceEnvelope}}',
    );
    expect(value('kserve-mlserver', 'MLSERVER_MODEL_IMPLEMENTATION')).to.equal(
      '{{.Labels.modelClass}}',
    );
  });

  it('lets the operator change pods where there may be warm pools, and nowhere else', async () => {
    const verbs = (objects: readonly KubeObject[]) =>
      named<KubeObject & Pick<Role, 'rules'>>(objects, 'ClusterRole', 'wherry-operator')
        .rules?.filter(({ resources }) => resources?.includes('pods'))
        .flatMap((rule) => rule.verbs);
    const sizes = (objects: readonly KubeObject[]) =>
      named<KubeObject>(objects, 'ClusterServingRuntime', 'wherry-predictor').metadata
        .annotations?.['serving.wherry.dev/warm-pool'];
    const without = await render();
    expect(verbs(without)).to.deep.equal(['get', 'list', 'watch']);
    expect(sizes(without)).to.equal(undefined);
    const pools = ['warmPool.namespaces.default=2', 'warmPool.namespaces.team-a=1'];
    const some = await render('warmPool.enabled=true', ...pools);
    expect(verbs(some)).to.deep.equal(['get', 'list', 'watch', 'patch', 'delete']);
    expect(sizes(some)).to.equal('default=2,team-a=1');
    const { spec } = named<Rendered>(some, 'Deployment', 'wherry-operator');
    expect(JSON.stringify(spec)).to.contain('"--warm-pools"');
    const refusal = await render(...pools).catch((error: Error) => error.message);
    expect(refusal).to.match(/warmPool.*enabled/s);
  });

  it('lets the operator read its own two Secrets and no other', async () => {
    const objects = (await render()) as (KubeObject & Pick<Role, 'rules'>)[];
    const rules = objects
      .filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole')
      .flatMap((role) => role.rules ?? [])
      .filter(({ resources }) => resources?.includes('secrets') || resources?.includes('*'));
    expect(rules.map(({ resourceNames, verbs }) => [resourceNames, verbs])).to.deep.equal([
      [
        [AUTHORITY_SECRET, ROUTER_SECRET],
        ['get', 'update', 'delete'],
      ],
      [undefined, ['create']],
    ]);
  });
});

/** What a Secret is to a pod: files that a kubelet exchanges all at once, through the link `..data`. */
class SecretVolume {
  readonly dir: string;
  #version = 0;

  constructor(dir: string) {
    this.dir = dir;
    mkdirSync(dir);
  }

  write(files: Record<string, string>): void {
    const version = `..${this.#version++}`;
    mkdirSync(join(this.dir, version));
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(this.dir, version, name), text);
      if (this.#version === 1) symlinkSync(join('..data', name), join(this.dir, name));
    }
    symlinkSync(version, join(this.dir, '..data_tmp'));
    renameSync(join(this.dir, '..data_tmp'), join(this.dir, '..data'));
  }
}

/** A control plane that says nothing, but remembers which certificates its callers have. */
class SilentControlPlane {
  readonly callers: string[] = [];
  /** Handshakes that the caller broke off. */
  refusals = 0;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #server: Http2SecureServer;

  constructor({ cert, key }: KeyCertPair, ca: string) {
    this.#server = createSecureServer({ cert, key, ca, requestCert: true });
    this.#server.on('tlsClientError', () => this.refusals++);
    this.#server.on('session', (session) => this.#sessions.add(session));
    this.#server.on('stream', (stream, headers) => {
      // The caller goes when it has a new certificate, or when its peer is the wrong one.
      stream.on('error', () => undefined);
      const { socket } = stream.session as ServerHttp2Session;
      const certificate = (socket as TLSSocket).getPeerCertificate();
      const serialNumber = certificate.serialNumber.toLowerCase();
      this.callers.push(`${peerRole(certificate)} ${serialNumber} ${headers[':path']}`);
    });
  }

  async listen(port = 0): Promise<number> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const session of this.#sessions) session.destroy();
    await closed;
  }
}

(envoy === undefined ? describe.skip : describeWithHelm)(
  'routers’ bootstrap with Envoy',
  function () {
    this.timeout(60_000);
    const dir = mkdtempSync(join(tmpdir(), 'wherry-bootstrap-'));
    const secret = new SecretVolume(join(dir, 'tls'));
    const config = join(dir, 'envoy.yaml');
    const ARGUMENTS = ['-c', config, '--service-node', 'router-1', '--service-cluster', 'test'];
    const ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
    let port: number;
    let authorities: Authorities;
    let controlPlane: SilentControlPlane;

    async function mount(serialNumber: string): Promise<void> {
      const { cert, key } = await newLeaf('router', authorities, { serialNumber });
      secret.write({ 'tls.crt': cert, 'tls.key': key, 'ca.crt': trustBundle(authorities) });
    }

    async function serve(role: PeerRole, by = authorities): Promise<void> {
      controlPlane = new SilentControlPlane(await newLeaf(role, by), trustBundle(authorities));
      port = await controlPlane.listen(port);
    }

    before(async () => {
      authorities = await newAuthority();
      await mount('0a');
      await serve('operator');
      const { data } = named<ConfigMap>(await render(), 'ConfigMap', 'wherry-router');
      for (const [name, text] of Object.entries(data ?? {})) {
        const here = text
          .replaceAll('/etc/wherry-tls', secret.dir)
          .replaceAll('/etc/wherry/', `${dir}/`)
          .replace(
            /address: wherry-xds[^,]*, port_value: 18000/,
            `address: localhost, port_value: ${port}`,
          )
          .replace('port_value: 9901', 'port_value: 0');
        writeFileSync(join(dir, name), here);
      }
    });

    after(() => rmSync(dir, { recursive: true }));

    it('is a configuration that Envoy accepts', async () => {
      const output = await run(envoy ?? '', [...ARGUMENTS, '--mode', 'validate']);
      expect(output).to.contain('OK');
    });

    it('shows the routers’ certificate, takes up a renewed one without a restart, and trusts only operators', async () => {
      const options = ['--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error'];
      const router = spawn(envoy ?? '', [...ARGUMENTS, ...options], {
        stdio: 'inherit',
      });
      try {
        await eventually(
          'Envoy calls',
          () => controlPlane.callers.includes(`router 0a ${ADS}`),
          20,
        );

        await mount('0b');
        await controlPlane.close();
        await serve('operator');
        await eventually(
          'it has the new one',
          () => controlPlane.callers.includes(`router 0b ${ADS}`),
          20,
        );

        // A new authority is trusted before it signs.
        const [next] = await newAuthority();
        authorities = [next, ...authorities];
        await mount('0c');
        await controlPlane.close();
        await serve('operator');
        await eventually(
          'it trusts both',
          () => controlPlane.callers.includes(`router 0c ${ADS}`),
          20,
        );

        await controlPlane.close();
        await serve('router');
        await new Promise((resolve) => setTimeout(resolve, 3000));
        expect(controlPlane.callers).to.deep.equal([]);
        await controlPlane.close();
        await serve('operator', await newAuthority());
        await new Promise((resolve) => setTimeout(resolve, 3000));
        expect(controlPlane.callers).to.deep.equal([]);
      } finally {
        router.kill();
        await once(router, 'exit');
        await controlPlane.close();
      }
    });
  },
);
