import pathlib
import sys
from types import SimpleNamespace

import pytest
from grpc_tools import protoc

import site_process

PROTO = site_process.ROOT / "demo" / "proto"


@pytest.fixture(scope="session")
def crypto(tmp_path_factory):
    """Messages and stub of `crypto.proto`, made from the file the site itself was built from."""
    folder = tmp_path_factory.mktemp("stubs")
    code = protoc.main(
        ["protoc", f"-I{PROTO}", f"-I{protoc_includes()}", f"--python_out={folder}", f"--grpc_python_out={folder}", "crypto.proto"]
    )
    assert code == 0, "crypto.proto does not compile"
    sys.path.insert(0, str(folder))
    import crypto_pb2
    import crypto_pb2_grpc

    return SimpleNamespace(pb=crypto_pb2, Stub=crypto_pb2_grpc.CryptoServiceStub)


@pytest.fixture(scope="session")
def streaming(tmp_path_factory):
    """Messages and stub of the streaming contract as it was first published, not as the site has it."""
    folder = tmp_path_factory.mktemp("original")
    original = pathlib.Path(__file__).parent / "original"
    code = protoc.main(
        ["protoc", f"-I{original}", f"-I{protoc_includes()}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
        + ["common.proto", "crypto_streaming.proto"]
    )
    assert code == 0, "the original contract does not compile"
    sys.path.insert(0, str(folder))
    import common_pb2
    import crypto_streaming_pb2
    import crypto_streaming_pb2_grpc

    return SimpleNamespace(
        common=common_pb2, pb=crypto_streaming_pb2, Stub=crypto_streaming_pb2_grpc.CryptoStreamingServiceStub
    )


def protoc_includes():
    import grpc_tools

    return pathlib.Path(grpc_tools.__file__).parent / "_proto"


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    site = site_process.Site(tmp_path_factory.mktemp("site"))
    yield site
    assert site.stop() == 0


@pytest.fixture()
def own_site(tmp_path):
    """A site for one test, which may stop it."""
    site = site_process.Site(tmp_path)
    yield site
    site.stop()


@pytest.fixture()
def stub(site, crypto):
    """Of a user, by their API key."""
    return crypto.Stub(site.keyed)


@pytest.fixture()
def anonymous(site, crypto):
    return crypto.Stub(site.channel)
