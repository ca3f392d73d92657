/**
 * Labels that the templates of KServe's runtimes read and that its webhook derives from the model. KServe:
 * SetMlServerDefaults, SetTorchServeDefaults.
 */
import type { ModelSpec } from '../api/inferenceservice.ts';

/** MLServer's class for each model format; other formats get that of scikit-learn, as in KServe. */
const MODEL_CLASSES: Readonly<Record<string, string>> = {
  xgboost: 'mlserver_xgboost.XGBoostModel',
  lightgbm: 'mlserver_lightgbm.LightGBMModel',
  mlflow: 'mlserver_mlflow.MLflowRuntime',
};
const SKLEARN_CLASS = 'mlserver_sklearn.SKLearnModel';

/**
 * Returns the labels `modelClass` (MLServer) and `serviceEnvelope` (TorchServe) of a model, and `protocolVersion`, which
 * KServe gives to TorchServe as a variable.
 */
export function serverLabels(model: ModelSpec | undefined): Readonly<Record<string, string>> {
  if (model === undefined) return {};
  const isV2 = model.protocolVersion === 'v2' || model.protocolVersion === 'grpc-v2';
  return {
    modelClass: MODEL_CLASSES[model.modelFormat?.name ?? ''] ?? SKLEARN_CLASS,
    protocolVersion: model.protocolVersion ?? 'v1',
    serviceEnvelope: isV2 ? 'kservev2' : 'kserve',
  };
}
