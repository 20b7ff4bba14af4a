"""A wallet agent made from the original contract: it connects, says each kind of message, and obeys each command."""

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from types import SimpleNamespace

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

PATIENCE = 30


class Agent:
    """An open stream. Commands are put into `commands`, and acked unless `acks` is off."""

    def __init__(self, site, streaming, name, acks=True):
        self.streaming, self.name, self.acks = streaming, name, acks
        self.outgoing, self.commands, self.error = queue.Queue(), queue.Queue(), None
        self.call = streaming.Stub(site.keyed).ConnectClient(iter(self.outgoing.get, None))
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def say(self, **payload):
        message = self.streaming.pb.ClientMessage(client_id=self.name, message_id=str(time.monotonic_ns()), **payload)
        message.timestamp.GetCurrentTime()
        self.outgoing.put(message)

    def register(self):
        self.say(register=self.streaming.pb.ClientRegistration(client_name="Python", client_type="python", version="3"))

    def read(self):
        try:
            for command in self.call:
                self.commands.put(command)
                if self.acks:
                    ack = self.streaming.common.CommandAck(
                        command_id=command.command_id,
                        success=True,
                        message="did " + command.WhichOneof("command"),
                        current_status=self.streaming.common.CLIENT_STATUS_ACTIVE,
                    )
                    ack.timestamp.GetCurrentTime()
                    self.say(command_ack=ack)
        except grpc.RpcError as error:
            self.error = error

    def leave(self):
        """Says no more; waits until the stream has ended."""
        self.outgoing.put(None)
        self.reader.join(PATIENCE)
        assert not self.reader.is_alive()


@pytest.fixture()
def agent(site, streaming, request):
    agent = Agent(site, streaming, f"python-{request.node.name}"[:64])
    agent.register()
    until(lambda: execute(site, streaming, agent.name, ping={"sequence": 1}).success)
    agent.commands.get(timeout=PATIENCE)
    yield agent
    agent.leave()


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def command(streaming, **kind):
    return streaming.pb.DjangoCommand(**kind)


def execute(site, streaming, name, **kind):
    request = streaming.pb.SendCommandRequest(client_id=name, command=command(streaming, **kind))
    return streaming.Stub(site.keyed).ExecuteCommandSync(request, timeout=PATIENCE)


def send(site, streaming, name, **kind):
    request = streaming.pb.SendCommandRequest(client_id=name, command=command(streaming, **kind))
    return streaming.Stub(site.keyed).SendCommandToClient(request, timeout=PATIENCE)


def balance(stub, crypto, owner, symbol):
    try:
        return Decimal(stub.GetWallet(crypto.pb.GetWalletRequest(owner=owner, symbol=symbol)).wallet.balance)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND
        return None


COMMANDS = {
    "ping": {"sequence": 7},
    "pause": {"reason": "maintenance"},
    "resume": {"message": "done"},
    "sync_wallets": {"symbols": ["BTC", "ETH"]},
    "request_status": {"include_stats": True},
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_each_command_is_taken_and_acked(site, streaming, agent, kind):
    ack = execute(site, streaming, agent.name, **{kind: COMMANDS[kind]})
    assert (ack.success, ack.message, ack.error) == (True, f"did {kind}", "")
    taken = agent.commands.get(timeout=PATIENCE)
    assert (taken.WhichOneof("command"), taken.command_id) == (kind, ack.command_id)
    for field, value in COMMANDS[kind].items():
        assert getattr(getattr(taken, kind), field) == value
    answer = send(site, streaming, agent.name, **{kind: COMMANDS[kind]})
    assert (answer.success, answer.error) == (True, "")
    assert agent.commands.get(timeout=PATIENCE).WhichOneof("command") == kind


def test_each_kind_of_message_does_its_work(site, streaming, crypto, stub, agent):
    pb = streaming.pb
    agent.say(wallet_update=pb.WalletUpdate(wallet_id="w", symbol="BTC", balance_available="1.5", balance_locked="0.5"))
    until(lambda: balance(stub, crypto, agent.name, "BTC") == 2)
    report = pb.TransactionReport(
        transaction_id="t-1", type="deposit", symbol="BTC", amount="0.25", status="completed"
    )
    agent.say(transaction=report)
    agent.say(transaction=report)
    until(lambda: balance(stub, crypto, agent.name, "BTC") == Decimal("2.25"))
    agent.say(status=pb.StatusUpdate(status=streaming.common.CLIENT_STATUS_PAUSED, details="by hand"))
    agent.say(heartbeat=pb.HeartbeatUpdate())
    agent.say(error=pb.ErrorReport(severity="warning", message="a hiccup", traceback="line 1"))
    agent.say(log=pb.LogEntry(level="info", message="a line", extra_data="{}"))
    # What is nothing, or cannot be, ends nothing.
    agent.say()
    agent.say(log=pb.LogEntry(level="loud", message=""))
    assert execute(site, streaming, agent.name, ping={"sequence": 2}).success
    assert balance(stub, crypto, agent.name, "BTC") == Decimal("2.25")


def test_the_server_says_how_often_to_send_a_heartbeat(agent):
    assert dict(agent.call.initial_metadata())["x-heartbeat-interval-ms"] == "30000"


def test_a_client_that_is_not_there_is_told_in_the_answer(site, streaming):
    ack = execute(site, streaming, "python-nobody", ping={"sequence": 1})
    assert (ack.success, ack.error) == (False, "CLIENT_NOT_CONNECTED")
    answer = send(site, streaming, "python-nobody", ping={"sequence": 1})
    assert (answer.success, answer.error) == (False, "client python-nobody is not connected")


def test_many_commands_at_once_each_get_their_own_ack(site, streaming, agent):
    with ThreadPoolExecutor(8) as pool:
        acks = list(pool.map(lambda n: execute(site, streaming, agent.name, ping={"sequence": n}), range(200)))
    assert all(ack.success for ack in acks)
    assert len({ack.command_id for ack in acks}) == 200


def test_a_name_has_one_stream_and_the_newer_one_keeps_it(site, streaming, agent):
    newer = Agent(site, streaming, agent.name)
    newer.register()
    agent.reader.join(PATIENCE)
    assert agent.error.code() == grpc.StatusCode.ABORTED
    assert execute(site, streaming, agent.name, ping={"sequence": 3}).success
    newer.leave()


def test_a_stream_and_a_command_without_a_credential_are_refused(site, streaming):
    anonymous = SimpleNamespace(keyed=site.channel)
    stranger = Agent(anonymous, streaming, "python-stranger")
    stranger.register()
    stranger.reader.join(PATIENCE)
    assert stranger.error.code() == grpc.StatusCode.UNAUTHENTICATED
    stranger.outgoing.put(None)
    with pytest.raises(grpc.RpcError) as refused:
        execute(anonymous, streaming, "python-stranger", ping={"sequence": 1})
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_a_stream_without_a_name_is_refused(site, streaming):
    nameless = Agent(site, streaming, "")
    nameless.register()
    nameless.reader.join(PATIENCE)
    assert nameless.error.code() == grpc.StatusCode.INVALID_ARGUMENT
    nameless.outgoing.put(None)


def test_a_server_that_stops_tells_its_clients_to_connect_again(own_site, streaming):
    agents = [Agent(own_site, streaming, f"python-{number}") for number in range(3)]
    for agent in agents:
        agent.register()
        until(lambda: execute(own_site, streaming, agent.name, ping={"sequence": 1}).success)
    own_site.terminate()
    for agent in agents:
        agent.reader.join(PATIENCE)
        assert agent.error.code() == grpc.StatusCode.UNAVAILABLE
        details = {detail.TypeName() for detail in rpc_status.from_call(agent.error).details}
        assert error_details_pb2.RetryInfo.DESCRIPTOR.full_name in details
        agent.outgoing.put(None)
    assert own_site.stop() == 0
