"""Makes slow_mlp/model.onnx: [n, 256] through 200 layers that share one weight, some milliseconds a row.

    slow_mlp.py FILE        (needs onnx and numpy)
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS, WIDTH = 200, 256
weight = (np.random.RandomState(0).randn(WIDTH, WIDTH) / np.sqrt(WIDTH)).astype(np.float32)
nodes, last = [], "x"
for i in range(LAYERS):
    nodes.append(helper.make_node("MatMul", [last, "w"], [f"m{i}"]))
    last = "y" if i == LAYERS - 1 else f"t{i}"
    nodes.append(helper.make_node("Tanh", [f"m{i}"], [last]))
shape = ["n", WIDTH]
graph = helper.make_graph(
    nodes, "slow", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)], [numpy_helper.from_array(weight, "w")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
model.ir_version = 8
onnx.save(model, sys.argv[1])
