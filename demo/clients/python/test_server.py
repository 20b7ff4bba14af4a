"""What stock clients expect of any gRPC server: reflection, health, deadlines, limits, and an orderly end."""

import grpc
import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = {"crypto.CryptoService", "grpc.health.v1.Health"}


def code_of(call, *arguments, **options):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    return caught.value.code()


def test_reflection_v1alpha_lists_and_describes(site):
    database = ProtoReflectionDescriptorDatabase(site.channel)
    assert SERVICES <= set(database.get_services())
    service = DescriptorPool(database).FindServiceByName("crypto.CryptoService")
    assert [method.name for method in service.methods] == [
        "GetCoin", "ListCoins", "SearchCoins", "GetWallet", "ListWallets", "Deposit", "Withdraw", "Transfer",
    ]
    assert [field.name for field in service.methods_by_name["GetCoin"].input_type.fields] == ["symbol"]


def test_reflection_v1_lists_and_describes_with_comments(site):
    # The messages of v1 and v1alpha are the same on the wire.
    ask = site.channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    questions = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="crypto.CryptoService"),
    ]
    listed, described = ask(iter(questions), timeout=10)
    assert SERVICES <= {service.name for service in listed.list_services_response.service}
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(file)
        for file in described.file_descriptor_response.file_descriptor_proto
    ]
    contract = next(file for file in files if file.package == "crypto")
    assert any("One coin, by its symbol." in place.leading_comments for place in contract.source_code_info.location)
    # tonic ends the stream with a status, where the protocol has an answer for it.
    missing = reflection_pb2.ServerReflectionRequest(file_containing_symbol="crypto.Nope")
    assert code_of(list, ask(iter([missing]), timeout=10)) == grpc.StatusCode.NOT_FOUND


def test_health_is_told_for_the_server_and_for_each_service(site):
    health = health_pb2_grpc.HealthStub(site.channel)
    for service in ["", "crypto.CryptoService"]:
        assert health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status == SERVING
    unknown = health_pb2.HealthCheckRequest(service="crypto.Nope")
    assert code_of(health.Check, unknown, timeout=10) == grpc.StatusCode.NOT_FOUND
    watch = health.Watch(health_pb2.HealthCheckRequest(service="crypto.CryptoService"), timeout=10)
    assert next(watch).status == SERVING
    watch.cancel()


def test_a_deadline_ends_the_call_and_nothing_else(stub, crypto):
    request = crypto.pb.ListWalletsRequest(page_size=100)
    assert code_of(stub.ListWallets, request, timeout=0.000_01) == grpc.StatusCode.DEADLINE_EXCEEDED
    assert stub.ListWallets(request, timeout=10).wallets


def test_an_unknown_method_is_unimplemented(site):
    for path in ["/crypto.CryptoService/Nope", "/crypto.Nope/GetCoin"]:
        call = site.channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
        assert code_of(call, b"", timeout=10) == grpc.StatusCode.UNIMPLEMENTED


def test_a_message_past_the_limit_is_refused_and_the_server_stays(stub, crypto):
    large = crypto.pb.SearchCoinsRequest(query="x" * (5 * 1024 * 1024))
    assert code_of(stub.SearchCoins, large, timeout=10) == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stub.GetCoin(crypto.pb.GetCoinRequest(symbol="BTC"), timeout=10).success


def test_garbage_instead_of_a_message_is_refused(site):
    call = site.channel.unary_unary("/crypto.CryptoService/GetCoin", request_serializer=bytes, response_deserializer=bytes)
    assert code_of(call, b"\xff\xff\xff", timeout=10) in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL)


def test_sigterm_tells_the_watchers_ends_with_0_and_keeps_every_row(own_site, crypto):
    stub = crypto.Stub(own_site.channel)
    watch = health_pb2_grpc.HealthStub(own_site.channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
    assert next(watch).status == SERVING
    calls = [
        stub.GetCoin.future(crypto.pb.GetCoinRequest(symbol="BTC"), metadata=[("x-request-id", f"last-{number}")])
        for number in range(50)
    ]
    assert all(call.result(timeout=30).success for call in calls)
    code_of(stub.GetCoin, crypto.pb.GetCoinRequest(symbol="NOPE"), metadata=[("x-request-id", "missing")])

    own_site.terminate()
    seen = []
    try:
        seen.extend(answer.status for answer in watch)
    except grpc.RpcError:
        pass
    assert seen[:1] == [NOT_SERVING]
    assert own_site.stop() == 0, own_site.output.read_text()

    rows = {row["request_id"]: row for row in own_site.command("logs", "--limit", "1000")}
    assert {f"last-{number}" for number in range(50)} <= set(rows)
    kept = rows["last-7"]
    assert (kept["service_name"], kept["method_name"], kept["status"]) == ("crypto.CryptoService", "GetCoin", "success")
    assert (rows["missing"]["status"], rows["missing"]["grpc_status_code"]) == ("error", "NOT_FOUND")
