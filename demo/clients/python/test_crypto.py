"""The eight methods of crypto.CryptoService, called by a stock client."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status


def wallet(stub, crypto, owner, symbol):
    return stub.GetWallet(crypto.pb.GetWalletRequest(owner=owner, symbol=symbol)).wallet


def failure(call, request, **options):
    """Code, sentence and `google.rpc` details of a call that has to fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, **options)
    error = caught.value
    details = {}
    status = rpc_status.from_call(error)
    for detail in status.details if status else []:
        kind = getattr(error_details_pb2, detail.TypeName().rpartition(".")[2])()
        assert detail.Unpack(kind)
        details[type(kind).__name__] = kind
    return error.code(), error.details(), details


def test_a_coin_is_found_by_its_symbol(stub, crypto):
    answer = stub.GetCoin(crypto.pb.GetCoinRequest(symbol="btc"))
    assert answer.success
    assert (answer.coin.symbol, answer.coin.name, answer.coin.rank) == ("BTC", "Bitcoin", 1)
    assert Decimal(answer.coin.price_usd) > 0
    assert answer.coin.updated_at.seconds > 1_700_000_000


def test_coins_come_page_by_page_in_the_order_asked_for(stub, crypto):
    prices, token = [], ""
    for _ in range(20):
        page = stub.ListCoins(
            crypto.pb.ListCoinsRequest(
                page_size=7, page_token=token, order=crypto.pb.COIN_ORDER_PRICE, descending=True, stablecoin=False
            )
        )
        prices += [Decimal(coin.price_usd) for coin in page.coins]
        token = page.next_page_token
        if not token:
            break
    assert len(prices) == 17
    assert prices == sorted(prices, reverse=True)


def test_coins_are_searched_by_symbol_and_name(stub, crypto):
    found = stub.SearchCoins(crypto.pb.SearchCoinsRequest(query="bitcoin")).coins
    assert [coin.symbol for coin in found] == ["BTC", "BCH"]
    assert not stub.SearchCoins(crypto.pb.SearchCoinsRequest(query="%")).coins


def test_who_is_not_logged_in_may_look_at_coins_and_not_at_wallets(anonymous, crypto):
    assert anonymous.GetCoin(crypto.pb.GetCoinRequest(symbol="BTC")).success
    assert anonymous.ListCoins(crypto.pb.ListCoinsRequest()).coins
    assert anonymous.SearchCoins(crypto.pb.SearchCoinsRequest(query="bitcoin")).coins
    wallet = {"wallet_id": 1, "amount": "1"}
    for call, request in [
        (anonymous.GetWallet, crypto.pb.GetWalletRequest(owner="alice", symbol="BTC")),
        (anonymous.ListWallets, crypto.pb.ListWalletsRequest()),
        (anonymous.Deposit, crypto.pb.DepositRequest(**wallet)),
        (anonymous.Withdraw, crypto.pb.WithdrawRequest(**wallet)),
        (anonymous.Transfer, crypto.pb.TransferRequest(from_wallet_id=1, to_wallet_id=2, amount="1")),
    ]:
        assert failure(call, request)[0] == grpc.StatusCode.UNAUTHENTICATED
    # A key that is wrong is not no key, where anyone may call neither.
    wrong = [("x-api-key", "stp_wrong")]
    code, sentence, _ = failure(anonymous.GetCoin, crypto.pb.GetCoinRequest(symbol="BTC"), metadata=wrong)
    assert (code, sentence) == (grpc.StatusCode.UNAUTHENTICATED, "the api key is not valid")


def test_wallets_are_listed_with_their_coin(stub, crypto):
    wallets = stub.ListWallets(crypto.pb.ListWalletsRequest(owner="carol", funded=True)).wallets
    assert {(each.owner, each.symbol) for each in wallets} == {
        ("carol", "BTC"), ("carol", "USDT"), ("carol", "ADA"), ("carol", "DOT")
    }
    assert all(each.coin_name and Decimal(each.value_usd) > 0 for each in wallets)


def test_a_deposit_and_a_withdrawal_are_exact(stub, crypto):
    before = wallet(stub, crypto, "bob", "ETH")
    after = stub.Deposit(crypto.pb.DepositRequest(wallet_id=before.id, amount="0.00000001")).wallet
    assert Decimal(after.balance) == Decimal(before.balance) + Decimal("0.00000001")
    after = stub.Withdraw(crypto.pb.WithdrawRequest(wallet_id=before.id, amount="0.00000001")).wallet
    assert Decimal(after.balance) == Decimal(before.balance)


def test_concurrent_transfers_neither_make_nor_lose_money(stub, crypto):
    one, other = wallet(stub, crypto, "alice", "BTC"), wallet(stub, crypto, "bob", "BTC")
    total = Decimal(one.balance) + Decimal(other.balance)

    def transfer(turn):
        source, target = (one, other) if turn % 2 else (other, one)
        request = crypto.pb.TransferRequest(from_wallet_id=source.id, to_wallet_id=target.id, amount="0.01")
        try:
            return stub.Transfer(request).success
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED), error
            return False

    with ThreadPoolExecutor(16) as threads:
        assert any(threads.map(transfer, range(100)))
    balances = [Decimal(wallet(stub, crypto, owner, "BTC").balance) for owner in ("alice", "bob")]
    assert sum(balances) == total
    assert min(balances) >= 0


def test_a_refusal_tells_its_reason(stub, crypto):
    erin = wallet(stub, crypto, "erin", "BTC")
    code, sentence, details = failure(stub.Withdraw, crypto.pb.WithdrawRequest(wallet_id=erin.id, amount="1"))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert (details["ErrorInfo"].reason, details["ErrorInfo"].domain) == ("INSUFFICIENT_FUNDS", "crypto")
    assert str(erin.id) in sentence
    assert details["RequestInfo"].request_id

    other = wallet(stub, crypto, "alice", "ETH")
    request = crypto.pb.TransferRequest(from_wallet_id=other.id, to_wallet_id=erin.id, amount="1")
    code, _, details = failure(stub.Transfer, request)
    assert (code, details["ErrorInfo"].reason) == (grpc.StatusCode.FAILED_PRECONDITION, "COIN_MISMATCH")


def test_what_is_missing_is_named(stub, crypto):
    code, sentence, details = failure(stub.GetCoin, crypto.pb.GetCoinRequest(symbol="NOPE"))
    assert (code, sentence) == (grpc.StatusCode.NOT_FOUND, "coin NOPE not found")
    assert (details["ResourceInfo"].resource_type, details["ResourceInfo"].resource_name) == ("coin", "NOPE")
    code, _, _ = failure(stub.Deposit, crypto.pb.DepositRequest(wallet_id=999_999, amount="1"))
    assert code == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("amount", ["", "0", "-1", "0.000000001", "1e3", "lots", "92233720369"])
def test_a_wrong_amount_is_the_callers_fault(stub, crypto, amount):
    dave = wallet(stub, crypto, "dave", "ETH")
    code, _, details = failure(stub.Deposit, crypto.pb.DepositRequest(wallet_id=dave.id, amount=amount))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in details["BadRequest"].field_violations] == ["amount"]


def test_the_callers_request_id_comes_back_and_a_failure_always_has_one(stub, crypto):
    _, call = stub.GetCoin.with_call(crypto.pb.GetCoinRequest(symbol="ETH"), metadata=[("x-request-id", "python-1")])
    assert dict(call.initial_metadata())["x-request-id"] == "python-1"
    missing = crypto.pb.GetCoinRequest(symbol="NOPE")
    _, _, details = failure(stub.GetCoin, missing, metadata=[("x-request-id", "python-2")])
    assert details["RequestInfo"].request_id == "python-2"
    _, _, details = failure(stub.GetCoin, missing)
    assert len(details["RequestInfo"].request_id) == 36
