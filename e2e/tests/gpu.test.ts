/** The real scheduler puts a GPU pod on the one node that has the device; before, the status says why it waits. */
import { expect } from 'chai';
import {
  apply,
  conditionOf,
  get,
  kubectl,
  ready,
  removeAll,
  sample,
  statusOf,
} from '../harness/kubectl.ts';
import { eventually } from '../harness/load.ts';

describe('GPU placement', function () {
  this.timeout(120_000);
  let node: string;
  const patchStatus = (name: string, patch: object) =>
    kubectl(
      'patch',
      'node',
      name,
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify(patch),
    );

  before(async () => {
    const { items } = await get<{ items: { metadata: { name: string } }[] }>('nodes');
    node = items[0]?.metadata.name ?? '';
    // A second node, without the device: nothing runs there, but the scheduler may choose it.
    await apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'no-gpu' } });
    const plenty = { cpu: '64', memory: '256Gi', pods: '110' };
    const heard = new Date().toISOString().replace(/\.\d+/, '');
    await patchStatus('no-gpu', {
      status: {
        capacity: plenty,
        allocatable: plenty,
        conditions: [
          {
            type: 'Ready',
            status: 'True',
            lastHeartbeatTime: heard,
            lastTransitionTime: heard,
            reason: 'Test',
            message: '',
          },
        ],
      },
    });
    await kubectl(
      'taint',
      'node',
      'no-gpu',
      'node.kubernetes.io/not-ready-',
      'node.kubernetes.io/unreachable-',
    ).catch(() => undefined);
  });
  after(async () => {
    await removeAll('iris-gpu');
    await kubectl('taint', 'node', node, 'nvidia.com/gpu-').catch(() => undefined);
    await kubectl('label', 'node', node, 'cloud.google.com/gke-accelerator-').catch(
      () => undefined,
    );
    await kubectl('delete', 'node', 'no-gpu');
    await kubectl(
      'patch',
      'node',
      node,
      '--subresource=status',
      '--type=json',
      '-p',
      '[{"op":"remove","path":"/status/capacity/nvidia.com~1gpu"}]',
    ).catch(() => undefined);
  });

  it('says why the pod waits while no node has the device', async () => {
    await apply(sample('gpu.yaml'));
    const reason = await eventually('the pod cannot be scheduled', async () => {
      const predictor = conditionOf(await statusOf('iris-gpu'), 'PredictorReady');
      return predictor?.reason === 'Unschedulable' && predictor.message;
    });
    expect(reason).to.match(/0\/2 nodes are available/);
  });

  it('runs where the device is, past the taint, and nowhere else', async () => {
    await patchStatus(node, { status: { capacity: { 'nvidia.com/gpu': '1' } } });
    await kubectl('label', 'node', node, 'cloud.google.com/gke-accelerator=nvidia-l4');
    await kubectl('taint', 'node', node, 'nvidia.com/gpu=present:NoSchedule');
    await ready('iris-gpu');
    const { items } = await get<{ items: { spec: { nodeName: string } }[] }>(
      'pods',
      '-l',
      'serving.kserve.io/inferenceservice=iris-gpu',
    );
    expect(items.map(({ spec }) => spec.nodeName)).to.deep.equal([node]);
  });
});
