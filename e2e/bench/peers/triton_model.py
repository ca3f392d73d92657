"""A model of ONNX or scikit-learn for Triton's Python backend: the file beside this one, run on whole batches."""
import json
import os

import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        folder = os.path.join(args["model_repository"], args["model_version"])
        self.input = config["input"][0]["name"]
        self.outputs = [output["name"] for output in config["output"]]
        if os.path.exists(onnx := os.path.join(folder, "model.onnx")):
            import onnxruntime
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = int(config["parameters"]["threads"]["string_value"])
            session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
            self.run = lambda rows: session.run(self.outputs, {self.input: rows})
        else:
            import joblib
            estimator = joblib.load(os.path.join(folder, "model.joblib"))
            self.run = lambda rows: [estimator.predict(rows).reshape(-1, 1)]

    def execute(self, requests):
        inputs = [pb.get_input_tensor_by_name(request, self.input).as_numpy() for request in requests]
        ends = np.cumsum([len(rows) for rows in inputs])[:-1]
        results = self.run(np.concatenate(inputs) if len(inputs) > 1 else inputs[0])
        parts = [np.split(result, ends) for result in results]
        return [
            pb.InferenceResponse([pb.Tensor(name, part[i]) for name, part in zip(self.outputs, parts)])
            for i in range(len(requests))
        ]
