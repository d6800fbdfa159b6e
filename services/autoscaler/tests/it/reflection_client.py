"""Calls every method of every service by server reflection alone: it knows no proto file.

usage: reflection_client.py HOST:PORT... ; requests by method name come as a JSON object on stdin, {} where there is none.
Prints one line for each method: its full name, the status code, and the first answer as JSON.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)


def call(channel, service, method, request):
    """The status code and the first answer."""
    answer_class = message_factory.GetMessageClass(method.output_type)
    kind = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }[method.client_streaming, method.server_streaming]
    stub = kind(
        f"/{service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=answer_class.FromString,
    )
    argument = iter([request]) if method.client_streaming else request
    try:
        answer = stub(argument, timeout=20)
        if method.server_streaming:
            answer = next(answer)
        return "OK", json_format.MessageToDict(answer)
    except StopIteration:
        return "OK", {}
    except grpc.RpcError as error:
        return error.code().name, {"message": error.details()}


def main():
    """Every method of every server."""
    requests = json.load(sys.stdin)
    for address in sys.argv[1:]:
        channel = grpc.insecure_channel(address)
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = descriptor_pool.DescriptorPool(database)
        for name in database.get_services():
            service = pool.FindServiceByName(name)
            for method in service.methods:
                # Reflection itself was called to get here.
                if method.name == "ServerReflectionInfo":
                    continue
                request = message_factory.GetMessageClass(method.input_type)()
                json_format.ParseDict(requests.get(method.name, {}), request)
                code, answer = call(channel, service, method, request)
                print(f"{name}/{method.name}\t{code}\t{json.dumps(answer)}", flush=True)


if __name__ == "__main__":
    main()
