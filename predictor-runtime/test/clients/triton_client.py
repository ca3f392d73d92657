"""Triton's own client against a server: argv has its HTTP and gRPC addresses. Models: add_two, dtypes_identity."""
import sys

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

http_address, grpc_address = sys.argv[1:3]
a = np.array([[1, 2, 3, 4]], dtype=np.int32)
b = np.array([[1, 1, 1, 1]], dtype=np.int32)


def inputs(module, binary=None):
    made = []
    for name, value in (("a", a), ("b", b)):
        tensor = module.InferInput(name, list(value.shape), "INT32")
        if binary is None:
            tensor.set_data_from_numpy(value)
        else:
            tensor.set_data_from_numpy(value, binary_data=binary)
        made.append(tensor)
    return made


def check(client, module):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("add_two") and client.is_model_ready("add_two", "1")
    result = client.infer("add_two", inputs(module), request_id="7")
    assert (result.as_numpy("sum") == a + b).all()
    only = client.infer("add_two", inputs(module), outputs=[module.InferRequestedOutput("diff")])
    assert (only.as_numpy("diff") == a - b).all() and only.as_numpy("sum") is None
    best = client.infer("add_two", inputs(module), outputs=[module.InferRequestedOutput("sum", class_count=2)])
    assert best.as_numpy("sum").tolist() == [[b"5:3", b"4:2"]], best.as_numpy("sum")
    try:
        client.infer("nope", inputs(module))
        raise AssertionError("an unknown model was served")
    except InferenceServerException as error:
        assert "model 'nope' is not found" in error.message(), error
    for name in ("add_two", "dtypes_identity"):
        client.unload_model(name)
        assert not client.is_model_ready(name)
        client.load_model(name)
        assert client.is_model_ready(name)
    client.load_model("add_two", config='{"max_batch_size": 4}')


with http.InferenceServerClient(http_address) as client:
    check(client, http)
    assert client.get_server_metadata()["name"] == "wherry"
    assert client.get_model_metadata("add_two")["inputs"][0]["datatype"] == "INT32"
    assert client.get_model_config("add_two")["max_batch_size"] == 4
    stats = client.get_inference_statistics("add_two")["model_stats"][0]
    assert stats["inference_stats"]["success"]["count"] >= 0
    assert {model["name"] for model in client.get_model_repository_index()} == {"add_two", "dtypes_identity"}
    assert client.get_log_settings()["log_info"] in (True, False)
    assert client.update_log_settings({"log_verbose_level": 0})["log_verbose_level"] == 0
    for binary in (True, False):
        for algorithm in (None, "gzip", "deflate"):
            result = client.infer(
                "add_two",
                inputs(http, binary),
                outputs=[http.InferRequestedOutput("sum", binary_data=binary)],
                request_compression_algorithm=algorithm,
                response_compression_algorithm=algorithm,
            )
            assert (result.as_numpy("sum") == a + b).all()
    pending = [client.async_infer("add_two", inputs(http)) for _ in range(20)]
    assert all((request.get_result().as_numpy("sum") == a + b).all() for request in pending)

    # Every datatype there and back, at its extremes.
    metadata = client.get_model_metadata("dtypes_identity")
    sent = {}
    for tensor in metadata["inputs"]:
        name, datatype = tensor["name"], tensor["datatype"]
        shape = [2 if dim == -1 else dim for dim in tensor["shape"]]
        if datatype == "BYTES":
            value = np.array([b"\x00\xff", "t\u00fcrkiye".encode()] * 8, dtype=np.object_)[: int(np.prod(shape))].reshape(shape)
        elif datatype == "BOOL":
            value = np.ones(shape, dtype=bool)
        elif datatype.startswith("FP"):
            value = np.full(shape, np.inf, dtype={"FP16": np.float16, "FP32": np.float32, "FP64": np.float64}[datatype])
        else:
            dtype = np.dtype(datatype.lower())
            value = np.full(shape, np.iinfo(dtype).max, dtype=dtype)
        sent[name] = (value, datatype, shape)
    made = []
    for name, (value, datatype, shape) in sent.items():
        tensor = http.InferInput(name, shape, datatype)
        tensor.set_data_from_numpy(value)
        made.append(tensor)
    result = client.infer("dtypes_identity", made)
    for output, (name, (value, datatype, _)) in zip(metadata["outputs"], sent.items()):
        got = result.as_numpy(output["name"])
        assert (got == value).all(), (name, got, value)

with grpc.InferenceServerClient(grpc_address) as client:
    check(client, grpc)
    assert client.get_server_metadata().name == "wherry"
    assert client.get_model_config("add_two").config.max_batch_size == 4
    stats = client.get_inference_statistics("add_two").model_stats[0]
    assert stats.inference_stats.success.count >= 0
    assert len(client.get_model_repository_index().models) == 2
    results = []
    client.start_stream(lambda result, error: results.append((result, error)))
    for i in range(5):
        client.async_stream_infer("add_two", inputs(grpc), request_id=str(i))
    client.stop_stream()
    assert len(results) == 5 and all(error is None for _, error in results), results
    assert sorted(result.get_response().id for result, _ in results) == list("01234")
print("ok")
