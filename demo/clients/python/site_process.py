"""The demo as its users run it: a process with a database of its own, on free ports of the loopback."""

import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import time
from typing import NamedTuple

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = pathlib.Path(os.environ.get("STEEPLE_DEMO", ROOT / "target" / "debug" / "demo")).resolve()
START_SECONDS = 30
STOP_SECONDS = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Call(NamedTuple):
    """What a call is made with."""

    method: str
    timeout: float | None
    metadata: list
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class Key(grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor):
    """Sends an API key with every call."""

    def __init__(self, key):
        self.key = key

    def intercept_unary_unary(self, continuation, details, request):
        return continuation(self.keyed(details), request)

    def intercept_stream_stream(self, continuation, details, requests):
        return continuation(self.keyed(details), requests)

    def keyed(self, details):
        metadata = [*(details.metadata or ()), ("x-api-key", self.key)]
        return Call(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, details.compression
        )


class Site:
    """A running demo. Its folder holds the database and what it wrote to the console."""

    def __init__(self, folder):
        self.folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("STEEPLE_")},
            "STEEPLE_ENV": "development",
            "STEEPLE_SERVER__GRPC": self.address,
            "STEEPLE_SERVER__HTTP": f"127.0.0.1:{free_port()}",
            "STEEPLE_DATABASE__URL": f"sqlite://{folder / 'demo.sqlite3'}",
            "STEEPLE_SUPERUSER_PASSWORD": secrets.token_urlsafe(),
        }
        self.asked_to_end = False
        self.output = folder / "output.txt"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [BINARY], cwd=folder, env=self.environment, stdout=output, stderr=subprocess.STDOUT
            )
        self.channel = grpc.insecure_channel(self.address)
        self.wait_until_serving()
        self.keyed = grpc.intercept_channel(self.channel, Key(self.key("tester")))

    def wait_until_serving(self):
        health = health_pb2_grpc.HealthStub(self.channel)
        until = time.monotonic() + START_SECONDS
        while True:
            assert self.process.poll() is None, f"the demo ended at its start:\n{self.output.read_text()}"
            try:
                answer = health.Check(health_pb2.HealthCheckRequest(), timeout=5)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            except grpc.RpcError:
                pass
            assert time.monotonic() < until, f"the demo does not serve:\n{self.output.read_text()}"
            time.sleep(0.05)

    def key(self, username):
        """A new API key of a new superuser."""
        self.command("createsuperuser", "--username", username, "--email", "", "--noinput")
        return self.command("apikeys", "create", "--user", username, "--name", "tests")["key"]

    def terminate(self):
        """Asks it to end, as an orchestrator does. Once: asked twice, it leaves without draining."""
        if not self.asked_to_end and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.asked_to_end = True

    def stop(self):
        """Ends it, and gives its exit code."""
        self.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            self.channel.close()

    def command(self, *arguments):
        """What another command of the site prints, read as JSON."""
        done = subprocess.run(
            [BINARY, *arguments, "--json"], cwd=self.folder, env=self.environment, capture_output=True, check=True, timeout=60
        )
        return json.loads(done.stdout)
