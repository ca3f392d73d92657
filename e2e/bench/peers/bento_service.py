"""BentoML around a scikit-learn model, answering V2's JSON as nothing but Python would."""
import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=1)
class Service:
    def __init__(self):
        self.model = joblib.load(os.environ["MODEL_FILE"])

    @bentoml.api(route="/infer")
    def infer(self, inputs: list) -> dict:
        x = inputs[0]
        y = self.model.predict(np.array(x["data"], np.float32).reshape(x["shape"]))
        return {"outputs": [{"name": "output-0", "datatype": "INT64", "shape": list(y.shape), "data": y.tolist()}]}
