/** What of a pod and of a Deployment goes into the caches. */
import { expect } from 'chai';
import type { KubeObject } from '../src/api/kube.ts';
import { trimDeployment, trimPod, trimScaler } from '../src/kube/trim.ts';

describe('trimPod', () => {
  const metadata = {
    name: 'iris-predictor-00001-x',
    namespace: 'default',
    uid: 'u',
    resourceVersion: '7',
    labels: { app: 'isvc.iris-predictor-00001' },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', uid: 'r' }],
    creationTimestamp: '2026-01-01T00:00:00Z',
    deletionTimestamp: '2026-01-01T01:00:00Z',
  };
  const status = {
    podIP: '10.0.0.1',
    podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }],
    phase: 'Failed',
    reason: 'Evicted',
    message: 'The node was low on resource: memory.',
    conditions: [{ type: 'Ready', status: 'False' }],
    containerStatuses: [{ name: 'kserve-container', ready: false, restartCount: 1 }],
    initContainerStatuses: [{ name: 'storage-initializer', ready: true, restartCount: 0 }],
  };
  const container = {
    name: 'kserve-container',
    ports: [{ containerPort: 8080, name: 'http1' }],
    readinessProbe: { httpGet: { path: '/ready', port: 8080 } },
  };

  it('keeps identity, ports, probes and health, and nothing else', () => {
    const whole = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, generateName: 'iris-', annotations: { note: 'long' } },
      spec: {
        nodeName: 'node1',
        volumes: [{ name: 'models', emptyDir: {} }],
        containers: [{ ...container, image: 'i', env: [{ name: 'A', value: 'b' }] }],
      },
      status: { ...status, hostIP: '10.0.0.9', qosClass: 'Burstable' },
    };
    const kept = JSON.parse(JSON.stringify(trimPod(whole as KubeObject)));
    expect(kept).to.deep.equal({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec: { nodeName: 'node1', containers: [container] },
      status,
    });
  });

  it('invents no status for a pod that has none yet', () => {
    const { status: kept } = trimPod({ apiVersion: 'v1', kind: 'Pod', metadata });
    expect(kept).to.equal(undefined);
  });
});

describe('trimDeployment', () => {
  it('keeps what was noted on it, its scale, its conditions and the ports of its pods, and nothing else', () => {
    const metadata = { name: 'iris-predictor-00001', annotations: { 'wherry.dev/spec-hash': '1' } };
    const conditions = [{ type: 'ReplicaFailure', status: 'True' }];
    const server = { name: 'kserve-container', ports: [{ containerPort: 8080 }] };
    const whole = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...metadata, generation: 1 },
      spec: {
        replicas: 2,
        selector: {},
        template: { metadata: {}, spec: { volumes: [], containers: [{ ...server, image: 'i' }] } },
      },
      status: { replicas: 0, conditions },
    };
    const kept = JSON.parse(JSON.stringify(trimDeployment(whole)));
    expect(kept).to.deep.equal({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: { replicas: 2, template: { spec: { containers: [server] } } },
      status: { conditions },
    });
  });
});

describe('trimScaler', () => {
  it('keeps what a plan writes and the words of its conditions, and nothing that it measures', () => {
    const said = {
      type: 'ScalingActive',
      status: 'False',
      reason: 'FailedGetMetric',
      message: 'm',
    };
    const made = {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'iris-predictor-00001', annotations: { 'wherry.dev/applied-hash': '1' } },
      spec: { minReplicas: 1, maxReplicas: 4 },
    };
    const status = {
      currentReplicas: 2,
      currentMetrics: [{ type: 'Resource' }],
      conditions: [{ ...said, lastTransitionTime: '2026-01-01T00:00:00Z' }],
    };
    const kept = trimScaler({ ...made, status });
    expect(kept).to.deep.equal({ ...made, status: { conditions: [said] } });
    expect(trimScaler(made)).to.deep.equal(made);
  });
});
