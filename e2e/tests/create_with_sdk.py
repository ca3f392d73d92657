"""Creates an InferenceService of the iris model by KServe's SDK, as its own examples do."""
import sys

from kserve import (
    KServeClient,
    V1beta1InferenceService,
    V1beta1InferenceServiceSpec,
    V1beta1ModelFormat,
    V1beta1ModelSpec,
    V1beta1PredictorSpec,
    constants,
)
from kubernetes.client import V1ObjectMeta

model = V1beta1ModelSpec(
    model_format=V1beta1ModelFormat(name="onnx"), storage_uri="builtin://iris"
)
service = V1beta1InferenceService(
    api_version=constants.KSERVE_V1BETA1,
    kind=constants.KSERVE_KIND_INFERENCESERVICE,
    metadata=V1ObjectMeta(name=sys.argv[1], namespace="default"),
    spec=V1beta1InferenceServiceSpec(predictor=V1beta1PredictorSpec(model=model)),
)
KServeClient().create(service)
