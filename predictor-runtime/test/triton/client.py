"""The public methods of both tritonclients against a server: argv has its HTTP and gRPC addresses. A line of JSON each."""
import json
import sys
import time

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from google.protobuf.json_format import MessageToDict
from tritonclient.utils import InferenceServerException

http_address, grpc_address = sys.argv[1:3]


def plain(value):
    if isinstance(value, (http.InferResult, grpc.InferResult)):
        names = [output["name"] for output in value.get_response(as_json=True)["outputs"]] if isinstance(value, grpc.InferResult) else [output["name"] for output in value.get_response()["outputs"]]
        return {name: plain(value.as_numpy(name)) for name in names}
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "values": [plain(item) for item in value.ravel().tolist()], "shape": list(value.shape)}
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "DESCRIPTOR"):
        return MessageToDict(value, preserving_proto_field_name=True)
    return value


def tell(title, method, *args, **options):
    try:
        value = plain(method(*args, **options))
    except InferenceServerException as error:
        value = {"status": error.status(), "error": error.message()}
    print(json.dumps({"title": title, "value": value}))


def inputs(module, shape=(1, 4)):
    made = []
    for name, first in (("a", 1), ("b", 10)):
        value = (np.arange(np.prod(shape), dtype=np.int32) + first).reshape(shape)
        tensor = module.InferInput(name, list(shape), "INT32")
        tensor.set_data_from_numpy(value)
        made.append(tensor)
    return made


def both(prefix, client, module):
    def say(title, method, *args, **options):
        tell(f"{prefix} {title}", method, *args, **options)

    say("is_server_live", client.is_server_live)
    say("is_server_ready", client.is_server_ready)
    for model in ("add", "loaded", "nope"):
        say(f"is_model_ready {model}", client.is_model_ready, model)
    say("is_model_ready of a version", client.is_model_ready, "add", "1")
    say("get_server_metadata", client.get_server_metadata)
    say("get_model_metadata", client.get_model_metadata, "rows")
    say("get_model_config", client.get_model_config, "rows")
    say("infer", client.infer, "add", inputs(module))
    say("infer with an id and a version", client.infer, "add", inputs(module), model_version="1", request_id="x")
    say("infer one output", client.infer, "add", inputs(module), outputs=[module.InferRequestedOutput("diff")])
    say("infer classes", client.infer, "rows", inputs(module), outputs=[module.InferRequestedOutput("sum", class_count=3)])
    say("infer with a priority and a timeout", client.infer, "batched", inputs(module), priority=1, timeout=9000000)
    say("infer with a sequence", client.infer, "add", inputs(module), sequence_id=0, sequence_start=False)
    say("infer with headers and parameters", client.infer, "add", inputs(module), headers={"x": "y"}, parameters={"mine": "x"})
    say("infer an unknown model", client.infer, "nope", inputs(module))
    say("infer too many rows", client.infer, "rows", inputs(module, (5, 4)))
    say("load_model", client.load_model, "loaded")
    say("load_model with a configuration", client.load_model, "loaded", config=json.dumps({"max_batch_size": 0}))
    say("load_model unknown", client.load_model, "nope")
    say("unload_model", client.unload_model, "loaded")
    say("unload_model with dependents", client.unload_model, "loaded", unload_dependents=True)
    say("get_log_settings", client.get_log_settings)
    say("update_log_settings", client.update_log_settings, {"log_verbose_level": 0, "log_format": "ISO8601"})
    say("update_log_settings back", client.update_log_settings, {"log_format": "default"})
    say("get_trace_settings", client.get_trace_settings)
    say("get_system_shared_memory_status", client.get_system_shared_memory_status)
    say("get_cuda_shared_memory_status", client.get_cuda_shared_memory_status)


def settle(client):
    """Waits until nothing is being unloaded: a server may not be ready meanwhile."""
    while any(model.get("state") == "UNLOADING" for model in client.get_model_repository_index()):
        time.sleep(0.05)


with http.InferenceServerClient(http_address) as client:
    both("http", client, http)
    for algorithm in ("gzip", "deflate"):
        tell(
            f"http infer with {algorithm}",
            client.infer,
            "add",
            inputs(http),
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )
    settle(client)
    tell("http async_infer", lambda: client.async_infer("add", inputs(http)).get_result())
    body, length = http.InferenceServerClient.generate_request_body(inputs(http))
    tell("http generate_request_body", lambda: len(body) - length)

with grpc.InferenceServerClient(grpc_address) as client:
    both("grpc", client, grpc)
    for algorithm in ("gzip", "deflate"):
        tell(f"grpc infer with {algorithm}", client.infer, "add", inputs(grpc), compression_algorithm=algorithm)
    answers = []
    client.start_stream(lambda result, error: answers.append(plain(result) if error is None else {"error": error.message()}))
    for i in range(4):
        client.async_stream_infer("add" if i != 2 else "nope", inputs(grpc), request_id=str(i))
    client.stop_stream()
    tell("grpc stream", lambda: answers)
