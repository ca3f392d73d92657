/** KEDA's questions about the load of revisions, asked over gRPC, and what decides the answers. */
import {
  Client,
  type ClientReadableStream,
  credentials,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { expect } from 'chai';
import { eventually } from '../../e2e/harness/load.ts';
import { formatRevision } from '../src/api/revision.ts';
import { ExternalScaler, type RevisionActivity } from '../src/keda/external-scaler.ts';
import {
  EXTERNAL_SCALER,
  type GetMetricsResponse,
  type IsActiveResponse,
  type ScaledObjectRef,
} from '../src/keda/protocol.ts';
import { isActive } from '../src/plan/activity.ts';

const NAME = 'iris-predictor-00001';
const ID = `default/${NAME}`;
const BUSY: RevisionActivity = { load: { concurrency: 7.5, rps: 0 }, isActive: true };
const IDLE: RevisionActivity = { load: { concurrency: 0, rps: 0 }, isActive: false };
const NOT_KNOWN: RevisionActivity = { load: undefined, isActive: undefined };

function scaledObject(metadata: Record<string, string> = {}, namespace = 'default') {
  const trigger = { revision: NAME, metric: 'concurrency', target: '2.1', ...metadata };
  return { name: NAME, namespace, scalerMetadata: trigger } satisfies ScaledObjectRef;
}

/** KEDA as far as it asks an external scaler. */
class Keda {
  readonly #client: Client;

  constructor(port: number) {
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  }

  ask<Method extends 'IsActive' | 'GetMetricSpec' | 'GetMetrics'>(method: Method, request: object) {
    const { path, requestSerialize, responseDeserialize } = EXTERNAL_SCALER[method];
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<object, object>(
        path,
        requestSerialize as (request: object) => Buffer,
        responseDeserialize,
        request,
        (error, response) => (error === null ? resolve(response) : reject(error)),
      );
    });
  }

  /** Code and words of the error of a question. */
  async refusal(method: 'IsActive' | 'GetMetricSpec' | 'GetMetrics', request: object) {
    const error = await this.ask(method, request).then(
      () => undefined,
      (reason: ServiceError) => reason,
    );
    return { code: error?.code, details: error?.details };
  }

  /** Listens for the activity of a revision, and notes all that is told. */
  listen(ref: ScaledObjectRef = scaledObject()) {
    const { path, requestSerialize, responseDeserialize } = EXTERNAL_SCALER.StreamIsActive;
    const stream: ClientReadableStream<IsActiveResponse> = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      ref,
    );
    const told: (boolean | string)[] = [];
    stream.on('data', ({ result }: IsActiveResponse) => told.push(result));
    stream.on('error', (error: ServiceError) => told.push(status[error.code] as string));
    return { told, cancel: () => stream.cancel() };
  }

  close(): void {
    this.#client.close();
  }
}

describe('external scaler', () => {
  const known = new Map<string, RevisionActivity>();
  let asked: string[];
  let scaler: ExternalScaler;
  let port: number;
  let keda: Keda;

  beforeEach(async () => {
    known.clear();
    known.set(ID, BUSY);
    asked = [];
    scaler = new ExternalScaler({
      activity: (ref) => {
        asked.push(formatRevision(ref));
        return known.get(formatRevision(ref));
      },
    });
    port = await scaler.listen('127.0.0.1:0');
    keda = new Keda(port);
  });

  afterEach(() => {
    keda.close();
    scaler.close();
  });

  const set = (activity: RevisionActivity | undefined) => {
    if (activity === undefined) known.delete(ID);
    else known.set(ID, activity);
    scaler.look(['default/iris']);
  };

  const metrics = (metadata: Record<string, string>, metricName: string) =>
    keda.ask('GetMetrics', {
      scaledObjectRef: scaledObject(metadata),
      metricName,
    }) as Promise<GetMetricsResponse>;

  it('names the metric and what one pod is to bear', async () => {
    expect(await keda.ask('GetMetricSpec', scaledObject())).to.deep.equal({
      metricSpecs: [{ metricName: 'concurrency', targetSize: 2, targetSizeFloat: 2.1 }],
    });
    const small = scaledObject({ metric: 'rps', target: '0.07' });
    expect(await keda.ask('GetMetricSpec', small)).to.deep.equal({
      metricSpecs: [{ metricName: 'rps', targetSize: 1, targetSizeFloat: 0.07 }],
    });
  });

  it('tells the load in the metric that is asked for', async () => {
    known.set(ID, { ...BUSY, load: { concurrency: 7.5, rps: 0.25 } });
    const { metricValues } = await metrics({}, 'concurrency');
    expect(metricValues).to.deep.equal([
      { metricName: 'concurrency', metricValue: 8, metricValueFloat: 7.5 },
    ]);
    expect((await metrics({ metric: 'rps' }, 'rps')).metricValues[0]?.metricValueFloat).to.equal(
      0.25,
    );
    expect(asked).to.deep.equal([ID, ID]);
  });

  it('says whether a revision is active', async () => {
    expect(await keda.ask('IsActive', scaledObject())).to.deep.equal({ result: true });
    known.set(ID, IDLE);
    expect(await keda.ask('IsActive', scaledObject())).to.deep.equal({ result: false });
  });

  it('has no number and no false for a load that is not known', async () => {
    known.set(ID, NOT_KNOWN);
    const ref = scaledObject();
    for (const refusal of [
      await keda.refusal('IsActive', ref),
      await keda.refusal('GetMetrics', { scaledObjectRef: ref, metricName: 'concurrency' }),
    ]) {
      expect(refusal.code).to.equal(status.UNAVAILABLE);
      expect(refusal.details).to.match(
        /load of default\/iris-predictor-00001 is not known: a rout/,
      );
    }
  });

  it('knows a revision only in its own namespace', async () => {
    const refusal = await keda.refusal('IsActive', scaledObject({}, 'other'));
    expect(refusal.code).to.equal(status.NOT_FOUND);
    expect(refusal.details).to.equal(`there is no revision other/${NAME} with pods or traffic`);
  });

  for (const [metadata, details] of [
    [{ revision: 'iris' }, /have the revision \[iris\]: set the name of a revision/],
    [{ revision: '' }, /have the revision \[\]: set/],
    [{ metric: 'cpu' }, /have the metric \[cpu\]: set concurrency or rps/],
    [{ target: '0' }, /have the target \[0\]: set what one pod is to bear, a number above 0/],
    [{ target: '1e999' }, /have the target \[1e999\]/],
    [{ target: 'ten' }, /have the target \[ten\]/],
  ] as const) {
    it(`refuses a trigger with ${JSON.stringify(metadata)}`, async () => {
      const ref = scaledObject(metadata);
      for (const refusal of [
        await keda.refusal('IsActive', ref),
        await keda.refusal('GetMetricSpec', ref),
        await keda.refusal('GetMetrics', { scaledObjectRef: ref, metricName: 'concurrency' }),
      ]) {
        expect(refusal.code).to.equal(status.INVALID_ARGUMENT);
        expect(refusal.details).to.match(details);
      }
      const { told } = keda.listen(ref);
      await eventually('the stream ends', () => told.length > 0);
      expect([told, asked]).to.deep.equal([['INVALID_ARGUMENT'], []]);
    });
  }

  it('refuses a metric that is not the trigger’s, and a question about nothing', async () => {
    const ref = scaledObject();
    const other = await keda.refusal('GetMetrics', { scaledObjectRef: ref, metricName: 'rps' });
    expect(other.details).to.equal('there is no metric [rps] of this trigger: ask for concurrency');
    const nothing = await keda.refusal('GetMetrics', { metricName: 'rps' });
    expect(nothing.code).to.equal(status.INVALID_ARGUMENT);
  });

  it('reads and writes the wire format of other programs', () => {
    // Written by hand, from the numbers and types of the fields.
    const field = (number: number, text: string) =>
      Buffer.concat([Buffer.from([(number << 3) | 2, text.length]), Buffer.from(text)]);
    const entry = Buffer.concat([field(1, 'metric'), field(2, 'rps')]);
    const ref = Buffer.concat([field(1, 'a'), field(2, 'b'), field(3, entry.toString())]);
    expect(EXTERNAL_SCALER.IsActive.requestDeserialize(ref)).to.deep.equal({
      name: 'a',
      namespace: 'b',
      scalerMetadata: { metric: 'rps' },
    });
    const value = { metricName: 'rps', metricValue: 8, metricValueFloat: 7.5 };
    const double = Buffer.alloc(8);
    double.writeDoubleLE(7.5);
    const inner = Buffer.concat([field(1, 'rps'), Buffer.from([2 << 3, 8, (3 << 3) | 1]), double]);
    expect(
      EXTERNAL_SCALER.GetMetrics.responseSerialize({ metricValues: [value] }).toString('hex'),
    ).to.equal(Buffer.concat([Buffer.from([(1 << 3) | 2, inner.length]), inner]).toString('hex'));
  });

  describe('streams', () => {
    it('tell what is at first, then each change, and nothing twice', async () => {
      const { told } = keda.listen();
      await eventually('it is told', () => told.length === 1);
      set(BUSY);
      set(IDLE);
      set(IDLE);
      set(BUSY);
      await eventually('all is told', () => told.length === 3);
      expect(told).to.deep.equal([true, false, true]);
    });

    it('tell nothing while nothing is known', async () => {
      known.set(ID, NOT_KNOWN);
      const { told } = keda.listen();
      await eventually('it is asked', () => asked.length > 0);
      set(NOT_KNOWN);
      set(IDLE);
      set(NOT_KNOWN);
      set(IDLE);
      set(BUSY);
      await eventually('it is told', () => told.length > 1);
      expect(told).to.deep.equal([false, true]);
    });

    it('end when the revision is gone, and cannot begin before it is there', async () => {
      const { told } = keda.listen();
      await eventually('it is told', () => told.length === 1);
      set(undefined);
      await eventually('it ends', () => told.length === 2);
      const late = keda.listen();
      await eventually('it does not begin', () => late.told.length === 1);
      expect([told, late.told]).to.deep.equal([[true, 'NOT_FOUND'], ['NOT_FOUND']]);
      asked = [];
      scaler.look(['default/iris']);
      expect(asked).to.deep.equal([]);
    });

    it('are told apart by revision, and forgotten when their clients leave', async () => {
      const other = new Keda(port);
      const second = scaledObject({ revision: 'iris-predictor-00002' });
      known.set('default/iris-predictor-00002', IDLE);
      const streams = [keda.listen(), other.listen(), other.listen(second)];
      await eventually('all are told', () => streams.every(({ told }) => told.length === 1));
      other.close();
      streams[1]?.cancel();
      streams[2]?.cancel();
      await eventually('two are forgotten', () => {
        asked = [];
        scaler.look(['default/iris']);
        return asked.length === 1;
      });
      set(IDLE);
      await eventually('the first is told', () => streams[0]?.told.length === 2);
      expect(streams[0]?.told).to.deep.equal([true, false]);
    });

    it('are as many as there are services, on one connection, and cost what has changed', async () => {
      const names = Array.from({ length: 500 }, (_, i) => `model-${i}-predictor-00001`);
      for (const name of names) known.set(`default/${name}`, IDLE);
      const streams = names.map((revision) => keda.listen(scaledObject({ revision })));
      await eventually('all are told', () => streams.every(({ told }) => told.length === 1));
      asked = [];
      known.set('default/model-77-predictor-00001', BUSY);
      scaler.look(['default/model-77', 'default/nobody-listens']);
      expect(asked).to.deep.equal(['default/model-77-predictor-00001']);
      await eventually('it is told', () => streams[77]?.told.length === 2);
    });
  });
});

describe('activity of a revision', () => {
  const load = { concurrency: 0, rps: 0 };
  const quiet = { load, hasRequests: false, hasPods: true, isUnused: false };
  const unused = { ...quiet, isUnused: true };
  for (const [what, signals, isHeld, active] of [
    ['with a request', { ...unused, hasRequests: true }, true, true],
    [
      'without pods, and a request waits',
      { ...quiet, hasRequests: true, hasPods: false },
      true,
      true,
    ],
    [
      'with a request, of which not all is known',
      { ...unused, hasRequests: true, load: undefined },
      true,
      true,
    ],
    ['with pods that were used lately', quiet, true, true],
    ['long without a request, not held by every router', unused, false, true],
    ['long without a request, and held by every router', unused, true, false],
    ['of which not all is known', { ...unused, load: undefined }, true, undefined],
    ['without pods and requests', { ...unused, hasPods: false }, true, false],
    ['without pods, not held by every router', { ...quiet, hasPods: false }, false, false],
  ] as const) {
    it(`${what}: ${active ?? 'not known'}`, () => {
      expect(isActive(signals, isHeld)).to.equal(active);
    });
  }
});
