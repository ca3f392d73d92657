/** Properties and small tables of the planner's parts. */
import { expect } from 'chai';
import fc from 'fast-check';
import { DEFAULT_CONFIG } from '../src/api/config.ts';
import type { ServingRuntimeData } from '../src/api/inferenceservice.ts';
import { keyOf } from '../src/api/kube.ts';
import { covers } from '../src/controller/apply.ts';
import { components } from '../src/plan/component.ts';
import { HostClaims } from '../src/plan/host-claims.ts';
import { addressHosts, hosts } from '../src/plan/hosts.ts';
import { merge } from '../src/plan/merge.ts';
import { selectRuntime } from '../src/plan/runtime.ts';
import { revisionBounds } from '../src/plan/scale.ts';
import { sourceOfContainer, storageUri } from '../src/plan/storage.ts';
import { renderTemplate, TemplateError } from '../src/plan/template.ts';
import { traffic } from '../src/plan/traffic.ts';

describe('traffic', () => {
  const names = ['r1', 'r2', 'r3'];
  const input = fc.record({
    target: fc.constantFrom(...names, 'r4'),
    canaryPercent: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
    ready: fc.record({ r1: fc.nat(5), r2: fc.nat(5), r3: fc.nat(5) }),
    neededForAll: fc.integer({ min: 1, max: 10 }),
    before: fc.record({
      latestReadyRevision: fc.constantFrom(...names, undefined),
      latestRolledoutRevision: fc.constantFrom(...names, undefined),
    }),
  });

  it('always shares out exactly 100 percent among revisions', () => {
    fc.assert(
      fc.property(input, (value) => {
        const { targets } = traffic(value);
        expect(targets.reduce((sum, { percent }) => sum + percent, 0)).to.equal(100);
        expect(targets.every(({ percent }) => percent >= 0 && percent <= 100)).to.equal(true);
        expect(new Set(targets.map(({ revisionName }) => revisionName)).size).to.equal(
          targets.length,
        );
      }),
    );
  });

  it('never moves traffic to a new revision without a ready pod while another is rolled out', () => {
    fc.assert(
      fc.property(input, (value) => {
        const stable = value.before.latestRolledoutRevision;
        if (stable === undefined || value.target === stable) return;
        const ready = value.ready[value.target as 'r1'] ?? 0;
        const known = value.before.latestReadyRevision === value.target;
        const share =
          traffic(value).targets.find((t) => t.revisionName === value.target)?.percent ?? 0;
        if (ready === 0 && !known) expect(share).to.equal(0);
      }),
    );
  });

  it('grows a share only as far as ready pods carry it', () => {
    const base = {
      target: 'r2',
      canaryPercent: undefined,
      neededForAll: 4,
      before: { latestRolledoutRevision: 'r1', traffic: [] },
    };
    const shareAt = (r2: number) => traffic({ ...base, ready: { r1: 4, r2 } }).targets[0]?.percent;
    expect([1, 2, 3, 4].map(shareAt)).to.deep.equal([25, 50, 75, 100]);
  });
});

describe('limits of the scale', () => {
  const component = (annotations: Record<string, string>, predictor: object = {}) => {
    const metadata = { namespace: 'default', name: 'iris', annotations };
    const [only] = components({ metadata, spec: { predictor } } as never);
    if (only === undefined) throw new Error('a service has a predictor');
    return only;
  };

  it('are those of the annotations where there are such, as in KServe', () => {
    const fields = { minReplicas: 2, maxReplicas: 4 };
    expect(component({}, fields).bounds).to.deep.equal({ min: 2, max: 4 });
    const annotations = { 'autoscaling.knative.dev/min-scale': '3' };
    expect(component(annotations, fields).bounds).to.deep.equal({ min: 3, max: 4 });
    const older = { 'autoscaling.knative.dev/maxScale': '9' };
    expect(component(older, fields).bounds).to.deep.equal({ min: 2, max: 9 });
  });

  it('let a revision start with its initial scale, until it is ready', () => {
    const boundsOf = (latestReady: string | undefined, stable: string | undefined) =>
      revisionBounds({
        component: component({ 'autoscaling.knative.dev/initial-scale': '3' }, { maxReplicas: 9 }),
        revision: 'r2',
        target: 'r2',
        traffic: { targets: [], goalPercent: 100, latestReady, stable, previous: undefined },
        neededForAll: 1,
      });
    expect(boundsOf(undefined, undefined)).to.deep.equal({ min: 3, max: 9 });
    expect(boundsOf('r1', 'r1')).to.deep.equal({ min: 3, max: 9 });
    expect(boundsOf('r2', 'r1')).to.deep.equal({ min: 1, max: 9 });
    expect(boundsOf('r2', 'r2')).to.deep.equal({ min: 1, max: 9 });
  });
});

describe('selectRuntime', () => {
  const runtime = (
    name: string,
    spec: Partial<ServingRuntimeData['spec']> & {
      format?: string;
      priority?: number;
      version?: string;
    },
    created = '2026-01-01T00:00:00Z',
  ): ServingRuntimeData => {
    const { format = 'onnx', priority, version, ...rest } = spec;
    return {
      apiVersion: 'serving.kserve.io/v1alpha1',
      kind: 'ClusterServingRuntime',
      metadata: { name, creationTimestamp: created },
      spec: {
        containers: [],
        supportedModelFormats: [{ name: format, autoSelect: true, priority, version }],
        ...rest,
      },
    };
  };
  const fetching = (name: string): ServingRuntimeData => {
    const { metadata, ...rest } = runtime(name, { priority: 2 });
    const annotations = { 'serving.wherry.dev/fetches-model': 'true' };
    return { ...rest, metadata: { ...metadata, annotations } };
  };
  const choose = (
    model: object,
    clusterRuntimes: ServingRuntimeData[],
    runtimes: ServingRuntimeData[] = [],
  ) => {
    const result = selectRuntime(
      { modelFormat: { name: 'onnx' }, ...model },
      { runtimes, clusterRuntimes },
    );
    return result.ok
      ? result.value.metadata.name
      : `${result.problem.reason}: ${result.problem.message}`;
  };
  const cases: [string, string, string][] = [
    [
      'the highest priority wins',
      choose({}, [runtime('a', { priority: 1 }), runtime('b', { priority: 2 })]),
      'b',
    ],
    [
      'then the lower protocol',
      choose({}, [
        runtime('a', { protocolVersions: ['v2'] }),
        runtime('b', { protocolVersions: ['v1'] }),
      ]),
      'b',
    ],
    [
      'then the newer',
      choose({}, [runtime('a', {}), runtime('b', {}, '2026-02-01T00:00:00Z')]),
      'b',
    ],
    ['then the name', choose({}, [runtime('b', {}), runtime('a', {})]), 'a'],
    [
      'the namespace comes before the cluster',
      choose({}, [runtime('a', { priority: 9 })], [runtime('n', {})]),
      'n',
    ],
    [
      'a version must match exactly',
      choose({ modelFormat: { name: 'onnx', version: '1' } }, [
        runtime('a', { version: '1.2' }),
        runtime('b', { version: '1' }),
      ]),
      'b',
    ],
    [
      'the protocol must match',
      choose({ protocolVersion: 'v2' }, [
        runtime('a', { protocolVersions: ['v1'] }),
        runtime('b', { protocolVersions: ['v1', 'v2'] }),
      ]),
      'b',
    ],
    [
      'a disabled runtime is left out',
      choose({}, [runtime('a', { disabled: true, priority: 9 }), runtime('b', {})]),
      'b',
    ],
    [
      'a runtime by name needs no autoSelect',
      choose({ runtime: 'a' }, [runtime('a', { supportedModelFormats: [{ name: 'onnx' }] })]),
      'a',
    ],
    [
      'a disabled runtime by name',
      choose({ runtime: 'a' }, [runtime('a', { disabled: true })]),
      'RuntimeDisabled: runtime "a" is disabled',
    ],
    [
      'a runtime by name of another format',
      choose({ runtime: 'a' }, [runtime('a', { format: 'sklearn' })]),
      'NoSupportingRuntime: a does not support model format "onnx"',
    ],
    ...(
      [
        ['an image', { image: 'mine:1' }],
        ['a runtimeVersion', { runtimeVersion: 'v0.15.2' }],
        ['a flag of KServe’s servers', { args: ['--nthread=1'] }],
      ] as const
    ).map(([what, model]): [string, string, string] => [
      `${what} is for another server than one that fetches its model`,
      choose(model, [fetching('own'), runtime('kserve', {})]),
      'kserve',
    ]),
    [
      'arguments of its own leave a server that fetches its model',
      choose({ args: ['--threads=1'] }, [fetching('own'), runtime('kserve', {})]),
      'own',
    ],
    [
      'an image for no server that there is',
      choose({ image: 'mine:1' }, [fetching('own')]),
      'NoSupportingRuntime: image, runtimeVersion or args are for another server than that of runtime "own", the only one for this model: remove them, or set "runtime: own" to have them used with it',
    ],
    [
      'an image for a server that is named',
      choose({ image: 'mine:1', runtime: 'own' }, [fetching('own')]),
      'own',
    ],
    [
      'a variable of MLServer for a server that fetches its model',
      choose(
        { storageUri: 's3://b/m', env: [{ name: 'MLSERVER_MODEL_PARALLEL_WORKERS', value: '2' }] },
        [fetching('own')],
      ),
      'InvalidPredictorSpec: the variable MLSERVER_MODEL_PARALLEL_WORKERS is MLServer\'s and has no effect on runtime "own": remove it, or name a runtime of MLServer such as "runtime: kserve-mlserver"; processes are set by --workers in args',
    ],
    [
      'a variable of MLServer for a server of another project',
      choose({ env: [{ name: 'MLSERVER_MODEL_PARALLEL_WORKERS', value: '2' }] }, [
        runtime('mlserver', {}),
      ]),
      'mlserver',
    ],
    [
      'no model for a server that fetches its model',
      choose({}, [fetching('own')]),
      'InvalidPredictorSpec: no model for runtime "own": set storageUri or storage.path; a server without a model, for TrainedModels, is not supported',
    ],
    [
      'a model on a volume of the user’s own',
      choose({ volumeMounts: [{ name: 'v', mountPath: '/mnt/models' }] }, [fetching('own')]),
      'own',
    ],
    ['no model for a server of another project', choose({}, [runtime('mlserver', {})]), 'mlserver'],
    [
      'a runtime by name that needs more than one pod',
      choose({ runtime: 'a' }, [runtime('a', { workerSpec: { pipelineParallelSize: 2 } })]),
      'NoSupportingRuntime: a is not for single pods',
    ],
    [
      'none at all',
      choose({}, []),
      'NoSupportingRuntime: no runtime supports model format "onnx" (no runtime is installed)',
    ],
  ];
  for (const [name, actual, expected] of cases) it(name, () => expect(actual).to.equal(expected));
});

describe('renderTemplate', () => {
  const data = { Name: 'iris', Labels: { team: 'a' }, Annotations: { 'x/y': 'z' } };
  for (const [text, expected] of [
    ['--model_name={{.Name}}', '--model_name=iris'],
    ['{{ .Name }}-{{- .Labels.team -}}', 'iris-a'],
    ['{{ index .Annotations "x/y" }}', 'z'],
    ['no action', 'no action'],
  ] as const) {
    it(text, () => expect(renderTemplate(text, data)).to.equal(expected));
  }
  it('refuses a key that is absent', () => {
    expect(() => renderTemplate('{{.Labels.no}}', data)).to.throw(
      TemplateError,
      '{{.Labels.no}} has no value',
    );
  });
});

describe('hosts', () => {
  const host = (domainTemplate: string, annotations: Record<string, string> = {}) => {
    const metadata = { name: 'iris', namespace: 'ns', annotations };
    const isvc = {
      apiVersion: 'serving.kserve.io/v1beta1',
      kind: 'InferenceService',
      metadata,
      spec: { predictor: {} },
    };
    const { external, problem } = hosts(isvc, { ...DEFAULT_CONFIG, domainTemplate });
    return external?.service ?? problem;
  };
  for (const [name, actual, expected] of [
    ['KServe default', host(DEFAULT_CONFIG.domainTemplate), 'iris-ns.example.com'],
    ['an annotation', host('{{.Annotations.host}}', { host: 'a.b' }), 'a.b'],
    [
      'a wildcard',
      host('{{.Annotations.host}}', { host: '*' }),
      'domain template "{{.Annotations.host}}": "*" is not a DNS name for this service',
    ],
    [
      'an empty label',
      host('{{.Name}}..x'),
      'domain template "{{.Name}}..x": "iris..x" is not a DNS name for this service',
    ],
    [
      'a label that is too long',
      host(`${'a'.repeat(64)}.x`),
      `domain template "${'a'.repeat(64)}.x": "${'a'.repeat(64)}.x" is not a DNS name for this service`,
    ],
  ] as const) {
    it(name, () => expect(actual).to.equal(expected));
  }

  it('leave out that of the predictor where only the service’s fits a DNS label', () => {
    const metadata = { name: 'demand-forecast-v2-emea', namespace: 'n'.repeat(34) };
    const isvc = {
      apiVersion: 'serving.kserve.io/v1beta1',
      kind: 'InferenceService',
      metadata,
      spec: { predictor: {} },
    };
    expect(hosts(isvc, DEFAULT_CONFIG).external).to.deep.equal({
      service: `demand-forecast-v2-emea-${'n'.repeat(34)}.example.com`,
    });
  });

  it('are the addresses of the Service that is the service’s own', () => {
    const isvc = {
      apiVersion: 'serving.kserve.io/v1beta1',
      kind: 'InferenceService',
      metadata: { name: 'iris', namespace: 'ns', uid: '1' },
      spec: { predictor: {} },
    };
    const withAddresses = (clusterIPs: string[], uid = '1') => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name: 'iris-predictor',
        ownerReferences: [{ apiVersion: '', kind: 'InferenceService', name: 'iris', uid }],
      },
      spec: { clusterIPs },
    });
    const both = withAddresses(['10.96.7.1', 'fd00::7:1']);
    expect(addressHosts(isvc, both)).to.deep.equal(['10.96.7.1', '[fd00::7:1]']);
    expect(addressHosts(isvc, withAddresses(['None']))).to.deep.equal([]);
    expect(addressHosts(isvc, withAddresses(['10.96.7.1'], '2'))).to.deep.equal([]);
    expect(addressHosts(isvc, undefined)).to.deep.equal([]);
  });

  it('belong to the older of two services that claim one', () => {
    const service = (name: string, namespace: string, creationTimestamp: string) => ({
      apiVersion: 'serving.kserve.io/v1beta1',
      kind: 'InferenceService',
      metadata: { name, namespace, creationTimestamp },
      spec: { predictor: {} },
    });
    const older = service('a-b', 'c', '2026-01-01T00:00:00Z');
    const newer = service('a', 'b-c', '2026-01-02T00:00:00Z');
    const other = service('x', 'y', '2025-01-01T00:00:00Z');
    for (const order of [
      [newer, older, other],
      [other, older, newer],
    ]) {
      const claims = new HostClaims(DEFAULT_CONFIG);
      for (const isvc of order) claims.update(keyOf(isvc), isvc);
      expect(claims.ownerOf('b-c/a')).to.equal('c/a-b');
      expect(claims.ownerOf('c/a-b')).to.equal(undefined);
      expect(claims.hostsOf('b-c/a')).not.to.include('a-b-c.example.com');
      expect(claims.hostsOf('c/a-b')).to.include('a-b-c.example.com');
      expect(claims.update('y/x', undefined), 'concerns nobody else').to.deep.equal([]);
      expect(claims.update('c/a-b', undefined), 'the next claimant').to.deep.equal(['b-c/a']);
      expect(claims.ownerOf('b-c/a')).to.equal(undefined);
      expect(claims.update('c/a-b', older)).to.deep.equal(['b-c/a']);
    }
  });
});

describe('storageUri', () => {
  const told = (source: Parameters<typeof storageUri>[0]) => {
    const result = storageUri(source);
    return result.ok ? result.value : result.problem.message;
  };
  const ofVariable = (variable: object) => {
    const result = sourceOfContainer({
      name: 'mine',
      env: [{ name: 'STORAGE_URI', ...variable }],
    });
    return result.ok ? result.value?.storageUri : result.problem.message;
  };
  for (const [name, actual, expected] of [
    ['a blob', told({ storageUri: 'https://a.blob.core.windows.net/c/m' }), /^https:\/\/a.blob/],
    ['a file share', told({ storageUri: 'https://a.file.core.windows.net/s/m' }), /file share/],
    ['a share elsewhere', told({ storageUri: 'https://a.file.core.usgovcloudapi.net/s' }), /share/],
    ['a host called file', told({ storageUri: 'https://file.core.example.com/m' }), /^https:/],
    ['a bucket', told({ storage: { path: '/m', parameters: { bucket: 'b' } } }), /^s3:\/\/b\/m$/],
    ['a type', told({ storage: { path: 'm', parameters: { type: 's3' } } }), /^s3:\/\/\/m$/],
    [
      'another type',
      told({ storage: { parameters: { type: 'gs' } } }),
      /type "gs" is not supported/,
    ],
    ['a variable', ofVariable({ value: 's3://b/m' }), /^s3:\/\/b\/m$/],
    ['a variable from elsewhere', ofVariable({ valueFrom: {} }), /instead of valueFrom/],
  ] as const) {
    it(name, () => expect(actual).to.match(expected));
  }
});

describe('merge', () => {
  it('merges lists by their key, joins arguments, replaces other lists', () => {
    const base = {
      args: ['a'],
      env: [
        { name: 'X', value: '1' },
        { name: 'Y', value: '2' },
      ],
      command: ['c'],
    };
    const patch = {
      args: ['b'],
      env: [
        { name: 'X', valueFrom: {} },
        { name: 'Z', value: '3' },
      ],
      command: ['d'],
    };
    expect(merge<object>(base, patch)).to.deep.equal({
      args: ['a', 'b'],
      env: [
        { name: 'X', valueFrom: {} },
        { name: 'Y', value: '2' },
        { name: 'Z', value: '3' },
      ],
      command: ['d'],
    });
  });
});

describe('merge of alternatives', () => {
  const memory = { name: 'v', emptyDir: { medium: 'Memory' } };
  for (const [name, base, patch, expected] of [
    [
      'a volume of another source',
      { volumes: [memory] },
      { volumes: [{ name: 'v', configMap: { name: 'c' } }] },
      { volumes: [{ name: 'v', configMap: { name: 'c' } }] },
    ],
    [
      'a volume of the same source',
      { volumes: [memory] },
      { volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Gi' } }] },
      { volumes: [{ name: 'v', emptyDir: { medium: 'Memory', sizeLimit: '1Gi' } }] },
    ],
    [
      'a hook of another kind',
      { lifecycle: { preStop: { sleep: { seconds: 5 } } } },
      { lifecycle: { preStop: { exec: { command: ['x'] } } } },
      { lifecycle: { preStop: { exec: { command: ['x'] } } } },
    ],
    [
      'a probe that says only when',
      { startupProbe: { grpc: { port: 1 } } },
      { startupProbe: { periodSeconds: 3 } },
      { startupProbe: { grpc: { port: 1 }, periodSeconds: 3 } },
    ],
  ] as const) {
    it(name, () => expect(merge<object>(base, patch)).to.deep.equal(expected));
  }
});

describe('covers', () => {
  for (const [name, current, wanted, expected] of [
    ['defaults of the server do not matter', { a: 1, b: 2 }, { a: 1 }, true],
    ['an undefined field asks for nothing', { a: 1 }, { a: 1, b: undefined }, true],
    ['a changed value', { a: 1 }, { a: 2 }, false],
    ['a missing field', {}, { a: { b: 1 } }, false],
    ['a longer list', { a: [1, 2] }, { a: [1] }, false],
    ['lists item by item', { a: [{ x: 1, y: 2 }] }, { a: [{ x: 1 }] }, true],
  ] as const) {
    it(name, () => expect(covers(current, wanted)).to.equal(expected));
  }
});
