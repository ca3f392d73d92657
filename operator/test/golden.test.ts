/**
 * The planner and the Envoy translation as pairs of YAML files: x.in.yaml gives x.out.yaml.
 * `npm run golden` rewrites every output; the review is in the diff.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import { expect } from 'chai';
import { dump, load } from 'js-yaml';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import { EndpointSlice } from 'kubernetes-models/discovery.k8s.io/v1/EndpointSlice';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { Service } from 'kubernetes-models/v1/Service';
import { DEFAULT_CONFIG } from '../src/api/config.ts';
import type { InferenceServiceData, ServingRuntimeData } from '../src/api/inferenceservice.ts';
import { isKind } from '../src/api/kinds.ts';
import {
  type KubeObject,
  keyOf,
  type Observed,
  type Pod,
  type ScaledDeployment,
} from '../src/api/kube.ts';
import { parseRevision, type RevisionRef, revisionName } from '../src/api/revision.ts';
import { HostClaims } from '../src/plan/host-claims.ts';
import type { Plan, PlanInput } from '../src/plan/input.ts';
import { owner } from '../src/plan/owner.ts';
import { plan } from '../src/plan/plan.ts';
import { serviceRoutes } from '../src/plan/routes.ts';
import { poolDeployments } from '../src/plan/warm-pool.ts';
import { RESOURCE_TYPES, type ResourceType } from '../src/router/configuration.ts';
import { EnvoyProtos, type Message } from '../src/router/protos.ts';
import { serviceMessages } from '../src/router/service-resources.ts';
import { sharedMessages } from '../src/router/shared-resources.ts';

const UPDATE = process.env.UPDATE_GOLDEN === '1';
const NOW = '2026-01-01T00:00:00.000Z';
const root = new URL('../../', import.meta.url);
const samples = new URL('config/samples/', root);

type Input = {
  parent: PlanInput['parent'];
  children?: KubeObject[];
  pods?: PlanInput['pods'];
  related?: Partial<PlanInput['related']>;
  /** By revision name, for the reader's sake. */
  routing?: {
    acknowledged?: Record<string, number>;
    held?: string[];
    inUse?: string[];
    refused?: string;
  };
  desired?: Record<string, number>;
  config?: Partial<PlanInput['config']>;
};

function chartRuntime(): ServingRuntimeData {
  const text = readFileSync(new URL('charts/wherry/files/runtime.yaml', root), 'utf8');
  return load(text) as ServingRuntimeData;
}

function planInput(input: Input): PlanInput {
  const metadata = {
    namespace: 'default',
    uid: 'uid-1',
    generation: 1,
    ...input.parent.metadata,
  };
  const parent = { ...input.parent, metadata };
  const { acknowledged, held = [], inUse, refused } = input.routing ?? {};
  const isHeld = (name: string) => held.includes(name) && ({ held: true } as const);
  return {
    parent,
    children: (input.children ?? []).map((child) => ({
      ...child,
      metadata: { ownerReferences: [owner(parent)], ...child.metadata },
    })),
    pods: input.pods ?? [],
    related: {
      runtimes: [],
      clusterRuntimes: [chartRuntime()],
      absentKinds: [],
      routerAddresses: ['10.0.0.2', '10.0.0.1'],
      routerCount: 2,
      ...input.related,
    },
    routing: {
      acknowledged:
        acknowledged &&
        refs(acknowledged).map(([ref, percent]) => ({
          ref,
          percent,
          ...isHeld(revisionName(ref)),
        })),
      inUse: inUse?.map(refOf),
      refused,
    },
    desired: refs(input.desired ?? {}).map(([ref, replicas]) => {
      return { ref, replicas, reason: { rule: 'load', load: replicas * 10, perPod: 10 } };
    }),
    config: { ...DEFAULT_CONFIG, ...input.config },
    now: NOW,
  };
}

function refs(values: Record<string, number>): [RevisionRef, number][] {
  return Object.entries(values).map(([name, value]) => [refOf(name), value]);
}

function refOf(name: string): RevisionRef {
  const ref = parseRevision('default', name);
  if (ref === undefined) throw new Error(`${name} is not a revision's name`);
  return ref;
}

function compare(actual: unknown, file: URL): void {
  const text = dump(JSON.parse(JSON.stringify(actual)), { noRefs: true, lineWidth: 100 });
  if (UPDATE || !existsSync(file)) writeFileSync(file, text);
  expect(text).to.equal(readFileSync(file, 'utf8'));
}

function inputs(folder: URL): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.in.yaml'));
  expect(names, `goldens in ${folder.pathname}`).not.to.have.length(0);
  return names.map((name) => name.replace('.in.yaml', '')).sort();
}

/** Kubernetes' and KEDA's own schemas for each kind that a plan may hold; of a revision that exists it holds the scale. */
function validate(object: KubeObject): void {
  if (isKind('Deployment', object) && !('template' in (object.spec ?? {}))) {
    expect(object.spec).to.have.all.keys('replicas');
    return;
  }
  const models = {
    Deployment,
    EndpointSlice,
    HorizontalPodAutoscaler,
    PodDisruptionBudget,
    ScaledObject,
    Service,
  };
  new models[object.kind as keyof typeof models](object as never).validate();
}

describe('golden plans', () => {
  const folder = new URL('golden/plan/', import.meta.url);
  for (const name of inputs(folder)) {
    it(name.replaceAll('-', ' '), () => {
      const input = load(readFileSync(new URL(`${name}.in.yaml`, folder), 'utf8')) as Input;
      const result: Plan = plan(planInput(input));
      result.children.forEach(validate);
      compare(result, new URL(`${name}.out.yaml`, folder));
    });
  }

  for (const name of readdirSync(samples).sort()) {
    it(`sample ${name} on an empty cluster`, () => {
      const documents = readFileSync(new URL(name, samples), 'utf8')
        .split(/^---$/m)
        .map((d) => load(d));
      const parent = documents.find((d) => (d as KubeObject).kind === 'InferenceService');
      const runtimes = documents.filter((d) => (d as KubeObject).kind === 'ServingRuntime');
      const result = plan(
        planInput({ parent: parent as never, related: { runtimes: runtimes as never } }),
      );
      result.children.forEach(validate);
      compare(result, new URL(`sample-${name.replace('.yaml', '.out.yaml')}`, folder));
    });
  }
});

describe('golden warm pools', () => {
  const folder = new URL('golden/warm-pool/', import.meta.url);
  for (const name of inputs(folder)) {
    it(name.replaceAll('-', ' '), () => {
      const text = readFileSync(new URL(`${name}.in.yaml`, folder), 'utf8');
      const { warmPool, runtime = chartRuntime() } = load(text) as {
        warmPool?: string;
        runtime?: ServingRuntimeData;
      };
      const annotations = {
        ...runtime.metadata.annotations,
        ...(warmPool && { 'serving.wherry.dev/warm-pool': warmPool }),
      };
      const metadata = { uid: 'uid-8', ...runtime.metadata, annotations };
      const result = poolDeployments({
        runtime: { ...runtime, metadata },
        config: DEFAULT_CONFIG,
        authorities: 'the certificates of the authorities',
      });
      if (result.ok) result.value.forEach(validate);
      compare(
        result.ok ? result.value : result.problem.message,
        new URL(`${name}.out.yaml`, folder),
      );
    });
  }
});

interface RoutesInput {
  readonly services: InferenceServiceData[];
  readonly pods: Observed<Pod>[];
  readonly deployments?: Observed<ScaledDeployment>[];
}

/** The routes of the services that have some, and what Envoy gets of each. */
function routesOf({ services, pods, deployments = [] }: RoutesInput) {
  const claims = new HostClaims(DEFAULT_CONFIG);
  for (const isvc of services) claims.update(keyOf(isvc), isvc);
  return services.flatMap((isvc) => {
    const { namespace = '', name } = isvc.metadata;
    const own = pods.filter(({ metadata }) => {
      const revision = metadata.labels?.['serving.wherry.dev/revision'] ?? '';
      return (
        parseRevision(metadata.namespace ?? '', revision)?.service === name &&
        metadata.namespace === namespace
      );
    });
    const key = keyOf(isvc);
    const hosts = claims.hostsOf(key);
    const routers = { count: 2, workers: 2 };
    const routes = serviceRoutes({ isvc, pods: own, deployments, hosts, routers });
    return routes === undefined ? [] : { key, routes, resources: serviceMessages(routes) };
  });
}

describe('golden routes and Envoy resources', () => {
  const folder = new URL('golden/envoy/', import.meta.url);
  const protos = new EnvoyProtos();

  function encodable(messages: Partial<Record<ResourceType, Readonly<Record<string, Message>>>>) {
    for (const [type, named] of Object.entries(messages)) {
      for (const message of Object.values(named)) {
        const name = RESOURCE_TYPES[type as ResourceType];
        expect(protos.encode(name, message)).not.to.have.length(0);
      }
    }
  }

  for (const name of inputs(folder)) {
    it(name.replaceAll('-', ' '), () => {
      const input = load(readFileSync(new URL(`${name}.in.yaml`, folder), 'utf8')) as RoutesInput;
      const services = routesOf(input);
      for (const { resources } of services) encodable({ ...resources });
      compare(services, new URL(`${name}.out.yaml`, folder));
    });
  }

  it('what all services share', () => {
    encodable({ ...sharedMessages() });
    compare(sharedMessages(), new URL('shared.out.yaml', folder));
  });

  it('listeners of two address families, with a filter', () => {
    const families = ['IPv4', 'IPv6'] as const;
    const { listeners } = sharedMessages({ families, filters: [{ name: 'a-filter' }] });
    compare(listeners, new URL('dual-stack-listeners.out.yaml', folder));
  });
});
