/** The kinds of serving.kserve.io as classes on @kubernetes-models/base, with the generated types. */
import { createTypeMetaGuard, Model } from '@kubernetes-models/base';
import type { InferenceServiceSpec, InferenceServiceStatus } from './inferenceservice.gen.ts';
import type { KubeObject, ObjectMeta } from './kube.ts';
import { ISVC_API_VERSION, RUNTIME_API_VERSION } from './names.ts';
import type { ServingRuntimeSpec } from './servingruntime.gen.ts';

/** Types generated from the CRDs, which are the API's one definition. */
export type { InferenceServiceSpec, InferenceServiceStatus, ServingRuntimeSpec };

/** Spec of one component: that of a predictor, which serves for transformers and explainers, too. */
export type ComponentSpec = InferenceServiceSpec['predictor'];
/** Model of a component, from its field `model` or from a framework field such as `sklearn`, read as one. */
export type ModelSpec = NonNullable<ComponentSpec['model']>;
/** Condition in the status of an InferenceService. */
export type Condition = NonNullable<InferenceServiceStatus['conditions']>[number];
/** Status of one component: its URLs, its revisions and their traffic. */
export type ComponentStatus = NonNullable<InferenceServiceStatus['components']>[string];
/** Share of a component's requests that goes to one revision, as the status tells it. */
export type TrafficTarget = NonNullable<ComponentStatus['traffic']>[number];
/** Change of a revision's scale, as the status tells it: from and to how many pods, when, and why. */
export type ScaleChange = NonNullable<ComponentStatus['scaleChanges']>[number];
/** State of the model in the status: whether it is loaded, in how many pods, and why not. */
export type ModelStatus = NonNullable<InferenceServiceStatus['modelStatus']>;

/** An InferenceService as JSON, which is how the cluster and all of the operator's code pass it. */
export interface InferenceServiceData extends KubeObject {
  spec: InferenceServiceSpec;
  status?: InferenceServiceStatus;
}

/** A ServingRuntime or ClusterServingRuntime as JSON; `kind` tells which. */
export interface ServingRuntimeData extends KubeObject {
  spec: ServingRuntimeSpec;
}

/** An InferenceService as a class of kubernetes-models, whose `is` finds such objects among others. */
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

/** A ServingRuntime as a class of kubernetes-models; InferenceServices of its namespace may use it. */
export class ServingRuntime extends Model<ServingRuntimeData> implements ServingRuntimeData {
  static readonly apiVersion = RUNTIME_API_VERSION;
  static readonly kind: string = 'ServingRuntime';
  static readonly is = createTypeMetaGuard<ServingRuntimeData>(ServingRuntime);
  declare apiVersion: typeof RUNTIME_API_VERSION;
  declare kind: 'ServingRuntime' | 'ClusterServingRuntime';
  declare metadata: ObjectMeta;
  declare spec: ServingRuntimeSpec;
}

/**
 * A ClusterServingRuntime as a class of kubernetes-models; InferenceServices of every namespace may use it.
 */
export class ClusterServingRuntime extends ServingRuntime {
  static override readonly kind = 'ClusterServingRuntime';
  static override readonly is = createTypeMetaGuard<ServingRuntimeData>(ClusterServingRuntime);
}
