"""A handler of TorchServe that runs the iris model of its archive with ONNX Runtime, on whole batches of V2 requests."""
import json
import os

import numpy as np
import onnxruntime


class Iris:
    def initialize(self, context):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        path = os.path.join(context.system_properties["model_dir"], "model.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.initialized = True

    def handle(self, data, context):
        bodies = [request.get("body") for request in data]
        parsed = [body if isinstance(body, dict) else json.loads(body) for body in bodies]
        inputs = [np.float32(body["inputs"][0]["data"]).reshape(body["inputs"][0]["shape"]) for body in parsed]
        labels, probabilities = self.session.run(["label", "probabilities"], {"X": np.concatenate(inputs)})
        ends = np.cumsum([len(rows) for rows in inputs])[:-1]
        parts = zip(np.split(labels, ends), np.split(probabilities, ends))
        return [{"label": label.tolist(), "probabilities": odds.tolist()} for label, odds in parts]
