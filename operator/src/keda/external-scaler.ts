/** Answers KEDA about the load of revisions: KEDA's external scaler, which pushes when a revision is to have pods. */
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { formatRevision, parseRevision, type RevisionRef, serviceKey } from '../api/revision.ts';
import {
  EXTERNAL_SCALER,
  type GetMetricSpecResponse,
  type GetMetricsRequest,
  type GetMetricsResponse,
  type IsActiveResponse,
  type ScaledObjectRef,
} from './protocol.ts';

/** Metrics that a trigger can ask for: requests that are under way or wait, and requests a second. */
const METRICS = ['concurrency', 'rps'] as const;
type Metric = (typeof METRICS)[number];

/** Knowledge about a revision at one time; what is undefined is not known, which is never 0 and never idle. */
export interface RevisionActivity {
  readonly load: Readonly<Record<Metric, number>> | undefined;
  /** True while the revision is to have pods. */
  readonly isActive: boolean | undefined;
}

/** Source of what an external scaler answers. */
export interface ExternalScalerOptions {
  /** Returns what is known of a revision now; undefined when there is none with pods or traffic. */
  readonly activity: (ref: RevisionRef) => RevisionActivity | undefined;
}

type ActivityStream = ServerWritableStream<ScaledObjectRef, IsActiveResponse>;

/** A KEDA that waits to hear whether a revision is active, and what it was told last. */
interface Listener {
  readonly ref: RevisionRef;
  readonly stream: ActivityStream;
  told: boolean | undefined;
}

/** A gRPC server for the triggers of KEDA's type external-push. */
export class ExternalScaler {
  readonly #options: ExternalScalerOptions;
  /** Listeners by the key of the service that they ask about. */
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #server = new Server({ 'grpc.keepalive_time_ms': 30_000 });

  /** Makes a scaler that answers nobody before `listen`. */
  constructor(options: ExternalScalerOptions) {
    this.#options = options;
    this.#server.addService(EXTERNAL_SCALER, {
      IsActive: unary((ref: ScaledObjectRef) => this.#isActive(ref)),
      StreamIsActive: (stream: ActivityStream) => this.#listen(stream),
      GetMetricSpec: unary(metricSpec),
      GetMetrics: unary((request: GetMetricsRequest) => this.#metrics(request)),
    });
  }

  /** Listens on `address` (host:port) without TLS and returns the port. @throws Error when it cannot listen. */
  listen(address: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
    return promise;
  }

  /** Tells those who listen what is new about services, given by their keys. */
  look(keys: Iterable<string>): void {
    for (const key of keys)
      for (const listener of this.#listeners.get(key) ?? []) this.#tell(listener);
  }

  /** Stops at once: the server no longer listens, and every stream is cut. */
  close(): void {
    this.#server.forceShutdown();
  }

  #isActive(message: ScaledObjectRef): Answer<IsActiveResponse> {
    const trigger = readTrigger(message);
    if ('code' in trigger) return trigger;
    const activity = this.#options.activity(trigger.ref);
    if (activity === undefined) return notFound(trigger.ref);
    return activity.isActive === undefined ? notKnown(trigger.ref) : { result: activity.isActive };
  }

  #metrics({ scaledObjectRef, metricName }: GetMetricsRequest): Answer<GetMetricsResponse> {
    const trigger = readTrigger(scaledObjectRef ?? NO_OBJECT);
    if ('code' in trigger) return trigger;
    const { ref, metric } = trigger;
    if (metricName !== metric) {
      return invalid(`there is no metric [${metricName}] of this trigger: ask for ${metric}`);
    }
    const activity = this.#options.activity(ref);
    if (activity === undefined) return notFound(ref);
    if (activity.load === undefined) return notKnown(ref);
    const value = activity.load[metric];
    const metricValue = Math.ceil(value);
    return { metricValues: [{ metricName, metricValue, metricValueFloat: value }] };
  }

  #listen(stream: ActivityStream): void {
    const trigger = readTrigger(stream.request);
    if ('code' in trigger) {
      stream.emit('error', trigger);
      return;
    }
    const { ref } = trigger;
    const key = serviceKey(ref);
    const listener: Listener = { ref, stream, told: undefined };
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(listener));
    const leave = () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(key);
    };
    for (const end of ['cancelled', 'error', 'close']) stream.on(end, leave);
    this.#tell(listener);
  }

  /** Tells a listener what it does not know yet; while nothing is known, what was told stands. */
  #tell(listener: Listener): void {
    const { ref, stream, told } = listener;
    const activity = this.#options.activity(ref);
    if (activity === undefined) {
      stream.emit('error', notFound(ref));
      return;
    }
    const { isActive } = activity;
    if (isActive === undefined || isActive === told) return;
    listener.told = isActive;
    stream.write({ result: isActive });
  }
}

/** Reason for which a question is not answered, as a status of gRPC. */
type Refusal = Pick<StatusObject, 'code' | 'details'>;
type Answer<T> = T | Refusal;

/** Makes the handler of a method out of a function that returns the answer, or why there is none. */
function unary<Request, Response extends object>(answer: (request: Request) => Answer<Response>) {
  return (call: ServerUnaryCall<Request, Response>, send: sendUnaryData<Response>): void => {
    const answered = answer(call.request);
    if ('code' in answered) send(answered);
    else send(null, answered);
  };
}

/** Metadata of a trigger, as the ScaledObjects of the operator have them. */
interface Trigger {
  readonly ref: RevisionRef;
  readonly metric: Metric;
  /** Load that one pod is to bear, in the metric. */
  readonly target: number;
}

const NO_OBJECT: ScaledObjectRef = { name: '', namespace: '', scalerMetadata: {} };

function readTrigger({ namespace, scalerMetadata }: ScaledObjectRef): Answer<Trigger> {
  const { revision = '', metric: name, target = '' } = scalerMetadata;
  const ref = parseRevision(namespace, revision);
  if (ref === undefined) {
    return invalid(
      `the trigger's metadata have the revision [${revision}]: set the name of a revision, such as iris-predictor-00001`,
    );
  }
  const metric = METRICS.find((known) => known === name);
  if (metric === undefined) {
    return invalid(
      `the trigger's metadata have the metric [${name ?? ''}]: set ${METRICS.join(' or ')}`,
    );
  }
  if (!(Number(target) > 0 && Number(target) < Number.POSITIVE_INFINITY)) {
    return invalid(
      `the trigger's metadata have the target [${target}]: set what one pod is to bear, a number above 0`,
    );
  }
  return { ref, metric, target: Number(target) };
}

/** The target is the trigger's own, so that it needs no look at the revision. */
function metricSpec(message: ScaledObjectRef): Answer<GetMetricSpecResponse> {
  const trigger = readTrigger(message);
  if ('code' in trigger) return trigger;
  const { metric, target } = trigger;
  const targetSize = Math.max(1, Math.round(target));
  return { metricSpecs: [{ metricName: metric, targetSize, targetSizeFloat: target }] };
}

function invalid(details: string): Refusal {
  return { code: status.INVALID_ARGUMENT, details };
}

function notFound(ref: RevisionRef): Refusal {
  const details = `there is no revision ${formatRevision(ref)} with pods or traffic`;
  return { code: status.NOT_FOUND, details };
}

function notKnown(ref: RevisionRef): Refusal {
  const details = `the load of ${formatRevision(ref)} is not known: a router that is ready does not report`;
  return { code: status.UNAVAILABLE, details };
}
