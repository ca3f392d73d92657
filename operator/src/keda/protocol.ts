/**
 * KEDA's protocol of an external scaler over gRPC, with its messages as plain objects. Source: KEDA's documentation,
 * "External Scalers".
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs';

/** Message names, fields and their numbers are the wire contract; targetSize and metricValue are of older KEDAs. */
const MESSAGES = protobuf.parse(`
  syntax = "proto3";
  package externalscaler;

  message ScaledObjectRef { string name = 1; string namespace = 2; map<string, string> scalerMetadata = 3; }
  message IsActiveResponse { bool result = 1; }

  message MetricSpec { string metricName = 1; int64 targetSize = 2; double targetSizeFloat = 3; }
  message GetMetricSpecResponse { repeated MetricSpec metricSpecs = 1; }

  message GetMetricsRequest { ScaledObjectRef scaledObjectRef = 1; string metricName = 2; }
  message MetricValue { string metricName = 1; int64 metricValue = 2; double metricValueFloat = 3; }
  message GetMetricsResponse { repeated MetricValue metricValues = 1; }
`).root;

/** A trigger of a ScaledObject, as KEDA asks about it. */
export interface ScaledObjectRef {
  readonly name: string;
  readonly namespace: string;
  /** The trigger's metadata, as the ScaledObject has them. */
  readonly scalerMetadata: Readonly<Record<string, string>>;
}

/** Answer to whether a Deployment is to have pods at all. */
export interface IsActiveResponse {
  readonly result: boolean;
}

/** Metrics that the Deployment is to be scaled by, with what one pod is to bear. */
export interface GetMetricSpecResponse {
  readonly metricSpecs: readonly {
    readonly metricName: string;
    readonly targetSize: number;
    readonly targetSizeFloat: number;
  }[];
}

/** Question for the value of a metric that GetMetricSpec has named. */
export interface GetMetricsRequest {
  /** Left out by no KEDA, but by the protocol's rules. */
  readonly scaledObjectRef?: ScaledObjectRef | null;
  readonly metricName: string;
}

/** Values of a metric, of all pods together. */
export interface GetMetricsResponse {
  readonly metricValues: readonly {
    readonly metricName: string;
    readonly metricValue: number;
    readonly metricValueFloat: number;
  }[];
}

/**
 * The gRPC service ExternalScaler, without its optional method StreamMetricSpec: a target that changes is a change of the
 * trigger, after which KEDA asks anew.
 */
export const EXTERNAL_SCALER = {
  IsActive: method<ScaledObjectRef, IsActiveResponse>(
    'IsActive',
    'ScaledObjectRef',
    'IsActiveResponse',
  ),
  StreamIsActive: {
    ...method<ScaledObjectRef, IsActiveResponse>(
      'StreamIsActive',
      'ScaledObjectRef',
      'IsActiveResponse',
    ),
    responseStream: true,
  },
  GetMetricSpec: method<ScaledObjectRef, GetMetricSpecResponse>(
    'GetMetricSpec',
    'ScaledObjectRef',
    'GetMetricSpecResponse',
  ),
  GetMetrics: method<GetMetricsRequest, GetMetricsResponse>(
    'GetMetrics',
    'GetMetricsRequest',
    'GetMetricsResponse',
  ),
};

function method<Request, Response>(
  name: string,
  request: string,
  response: string,
): MethodDefinition<Request, Response> {
  const [asked, answered] = [codec<Request>(request), codec<Response>(response)];
  return {
    path: `/externalscaler.ExternalScaler/${name}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: asked.encode,
    requestDeserialize: asked.decode,
    responseSerialize: answered.encode,
    responseDeserialize: answered.decode,
  };
}

function codec<T>(name: string) {
  const type = MESSAGES.lookupType(`externalscaler.${name}`);
  return {
    encode: (value: T) => Buffer.from(type.encode(type.fromObject(value as object)).finish()),
    decode: (bytes: Buffer) =>
      type.toObject(type.decode(bytes), { longs: Number, defaults: true }) as T,
  };
}
