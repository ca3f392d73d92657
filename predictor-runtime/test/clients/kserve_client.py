"""KServe's SDK against a server: argv has its HTTP and gRPC addresses. Model: iris."""
import asyncio
import sys

from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

http_address, grpc_address = sys.argv[1:3]
rows = [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]


def request(data):
    tensor = InferInput(name="X", shape=[2, 4], datatype="FP32", data=data)
    return InferRequest(model_name="iris", infer_inputs=[tensor])


async def rest(protocol):
    client = InferenceRESTClient(RESTConfig(protocol=protocol, verbose=False))
    url = f"http://{http_address}"
    if protocol == "v1":
        answer = await client.infer(url, {"instances": rows}, model_name="iris")
        assert [row["label"] for row in answer["predictions"]] == [1, 1], answer
    else:
        assert await client.is_server_live(url) and await client.is_server_ready(url)
        assert await client.is_model_ready(url, "iris")
        answer = await client.infer(url, request(rows), model_name="iris")
        assert answer.outputs[0].data == [1, 1], answer
    await client.close()


async def over_grpc():
    client = InferenceGRPCClient(grpc_address)
    assert await client.is_server_live() and await client.is_server_ready()
    assert await client.is_model_ready("iris")
    answer = await client.infer(request([value for row in rows for value in row]))
    assert answer.outputs[0].as_numpy().tolist() == [1, 1], answer
    await client.close()


asyncio.run(rest("v1"))
asyncio.run(rest("v2"))
asyncio.run(over_grpc())
print("ok")
