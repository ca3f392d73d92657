/** The kinds of serving.kserve.io as classes on @kubernetes-models/base, with the generated types. */
import { createTypeMetaGuard, Model } from '@kubernetes-models/base';
import type { InferenceServiceSpec, InferenceServiceStatus } from './inferenceservice.gen.ts';
import type { KubeObject, ObjectMeta } from './kube.ts';
import { ISVC_API_VERSION, RUNTIME_API_VERSION } from './names.ts';
import type { ServingRuntimeSpec } from './servingruntime.gen.ts';

export type { InferenceServiceSpec, InferenceServiceStatus, ServingRuntimeSpec };

/** The spec of a predictor, which is that of a transformer or an explainer, too. */
export type ComponentSpec = InferenceServiceSpec['predictor'];
/** `spec.predictor.model`, or a legacy framework field read as one. */
export type ModelSpec = NonNullable<ComponentSpec['model']>;
export type Condition = NonNullable<InferenceServiceStatus['conditions']>[number];
export type ComponentStatus = NonNullable<InferenceServiceStatus['components']>[string];
export type TrafficTarget = NonNullable<ComponentStatus['traffic']>[number];
export type ModelStatus = NonNullable<InferenceServiceStatus['modelStatus']>;

export interface InferenceServiceData extends KubeObject {
  spec: InferenceServiceSpec;
  status?: InferenceServiceStatus;
}

export interface ServingRuntimeData extends KubeObject {
  spec: ServingRuntimeSpec;
}

export class InferenceService extends Model<InferenceServiceData> implements InferenceServiceData {
  static readonly apiVersion = ISVC_API_VERSION;
  static readonly kind = 'InferenceService';
  static readonly is = createTypeMetaGuard<InferenceServiceData>(InferenceService);
  declare apiVersion: typeof ISVC_API_VERSION;
  declare kind: 'InferenceService';
  declare metadata: ObjectMeta;
  declare spec: InferenceServiceSpec;
  declare status?: InferenceServiceStatus;
}

export class ServingRuntime extends Model<ServingRuntimeData> implements ServingRuntimeData {
  static readonly apiVersion = RUNTIME_API_VERSION;
  static readonly kind: string = 'ServingRuntime';
  static readonly is = createTypeMetaGuard<ServingRuntimeData>(ServingRuntime);
  declare apiVersion: typeof RUNTIME_API_VERSION;
  declare kind: 'ServingRuntime' | 'ClusterServingRuntime';
  declare metadata: ObjectMeta;
  declare spec: ServingRuntimeSpec;
}

export class ClusterServingRuntime extends ServingRuntime {
  static override readonly kind = 'ClusterServingRuntime';
  static override readonly is = createTypeMetaGuard<ServingRuntimeData>(ClusterServingRuntime);
}
