"""What people do in the admin."""

import csv
import re

import pytest
from playwright.sync_api import expect

expect.set_options(timeout=15_000)

DARK = {"color_scheme": "dark"}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# Every page that needs nothing to be made first.
PAGES = {
    "overview": "/",
    "requests": "/requests",
    "services": "/services",
    "service": "/services/crypto.CryptoService",
    "servers": "/servers",
    "connections": "/connections",
    "keys": "/keys",
    "key-new": "/keys/new",
    "users": "/users",
    "user": "/users/1",
    "user-new": "/users/new",
    "groups": "/groups",
    "group-new": "/groups/new",
    "password": "/password",
    "audit": "/audit",
    "coins": "/models/crypto/coin",
    "coin": "/models/crypto/coin/rows/1",
    "coin-new": "/models/crypto/coin/new",
    "coin-delete": "/models/crypto/coin/rows/1/delete",
    "wallets": "/models/crypto/wallet",
    "wallet-new": "/models/crypto/wallet/new",
    "orders": "/models/orders/order",
}


def make_calls(site):
    codes = [site.call(symbol) for symbol in ("BTC", "ETH", "NOPE", "BTC")]
    assert codes == ["OK", "OK", "NOT_FOUND", "OK"]


def test_the_overview_is_live_while_calls_run(site, visit):
    visit.log_in()
    page = visit.page
    figure = page.locator(".figures dd").first
    before = int(re.match(r"[\d,]+", figure.inner_text()).group().replace(",", ""))
    page.evaluate("window.stays = true")
    make_calls(site)
    expect(figure).to_have_text(re.compile(f"^{before + 4:,} "))
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    assert page.evaluate("window.stays"), "the page was not loaded again"
    expect(page.get_by_role("cell", name="GetCoin").first).to_be_visible()
    visit.keep("overview-live")


def test_the_overview_says_that_it_waits_while_somebody_is_in_it(site, visit):
    make_calls(site)
    visit.log_in()
    page = visit.page
    live = page.locator("#live")
    expect(live).to_have_text("Live")
    page.get_by_role("link", name="All services").focus()
    expect(live).to_have_text("Paused")
    page.get_by_role("link", name="All services").blur()
    expect(live).to_have_text("Live")
    values = page.locator(".values").first
    values.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(values.get_by_role("cell", name=re.compile("calls")).last).to_be_visible()
    expect(live).to_have_text("Paused")
    visit.keep("overview-values")


def test_a_failed_call_is_found_by_filter(site, visit):
    make_calls(site)
    visit.log_in()
    page = visit.open("/requests")
    page.get_by_label("Code").select_option("NOT_FOUND")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url(re.compile("code=NOT_FOUND"))
    rows = page.locator("tbody tr")
    expect(rows.first).to_be_visible()
    assert all("NOT_FOUND" in row for row in rows.all_inner_texts())
    visit.keep("requests-failed")
    rows.first.get_by_role("link").click()
    expect(page.get_by_role("heading", name="CryptoService/GetCoin")).to_be_visible()
    expect(page.get_by_text("coin NOPE not found")).to_be_visible()
    visit.keep("request")


def test_a_key_is_made_used_and_revoked(site, visit):
    visit.log_in()
    page = visit.open("/keys")
    page.get_by_role("link", name="New key").click()
    page.get_by_label("Name").fill("billing worker")
    page.get_by_label("Expires").select_option("30")
    page.get_by_role("button", name="Create key").click()
    key = page.locator("#key").inner_text()
    visit.keep("key-made")
    assert site.call("BTC", key) == "OK"
    page.get_by_role("link", name="Done").click()
    assert key not in page.content(), "it is shown once"
    row = page.get_by_role("row").filter(has_text="billing worker")
    row.get_by_role("link", name="Revoke").click()
    visit.keep("key-revoke")
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text("billing worker is revoked.")).to_be_visible()
    expect(row.get_by_text("revoked")).to_be_visible()
    visit.keep("keys-revoked")
    assert site.call("BTC", key) == "UNAUTHENTICATED"


def test_a_coin_is_edited_and_the_second_editor_is_told(site, visit, chromium):
    visit.log_in()
    page = visit.open("/models/crypto/coin?q=ETH")
    page.get_by_role("link", name="ETH", exact=True).click()
    place = page.url.removeprefix(site.http + "/admin")
    other = visit.page.context.new_page()
    other.goto(page.url)
    page.get_by_label("Website").fill("https://example.org/ether")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("ETH is saved.")).to_be_visible()
    visit.open(place)
    expect(page.get_by_label("Website")).to_have_value("https://example.org/ether")
    other.get_by_label("Website").fill("https://example.org/mine")
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_text("Somebody else changed this row")).to_be_visible()
    expect(other.get_by_label("Website")).to_have_value("https://example.org/mine")
    other.close()
    visit.open("/audit?kind=crypto.coin")
    expect(page.get_by_text("https://example.org/ether")).to_be_visible()
    visit.keep("audit-coin")


def test_a_client_is_sent_a_command(site, visit):
    visit.log_in()
    with site.agents("boat", 2):
        page = visit.open("/connections?name=boat-0")
        client = page.get_by_role("link", name="boat-0")
        for _ in range(60):
            if client.count() and page.get_by_text("connected", exact=True).count():
                break
            page.wait_for_timeout(250)
            page.reload()
        visit.keep("connections-live")
        client.click()
        page.get_by_role("link", name="request status").click()
        expect(page.get_by_label("Command, as JSON")).to_have_value(re.compile("include_stats"))
        visit.keep("connection")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text("Acknowledged")).to_be_visible()
        expect(page.get_by_text('"success": true')).to_be_visible()
        visit.keep("connection-acknowledged")
        page.get_by_label("Command, as JSON").fill('{"pause": {"reason": "a look at the hull"}}')
        page.get_by_label("Wait for the ack").uncheck()
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text("Queued")).to_be_visible()


def test_calls_are_downloaded_as_csv(site, visit):
    make_calls(site)
    visit.log_in()
    page = visit.open("/requests?code=NOT_FOUND")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with open(download.value.path(), newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows and all(row["grpc_status_code"] == "NOT_FOUND" for row in rows)


def test_calls_appear_as_they_end(site, visit):
    visit.log_in()
    page = visit.open("/requests?code=NOT_FOUND")
    with page.expect_response(re.compile("/requests/live")):
        page.get_by_role("button", name="Live tail").click()
    before = page.locator("tbody tr").count()
    make_calls(site)
    expect(page.locator("tbody tr.new")).to_have_count(1)
    expect(page.locator("tbody tr")).to_have_count(before + 1)
    visit.keep("requests-tail")
    page.get_by_role("button", name="Following").click()
    expect(page.get_by_role("button", name="Live tail")).to_be_visible()


def test_the_theme_is_the_systems_until_somebody_chooses(visit):
    visit.log_in()
    page = visit.page
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Change theme").click()
    dark = page.evaluate(background)
    assert dark != light
    visit.open("/keys")
    assert page.evaluate(background) == dark, "it is remembered"


def test_it_works_by_keyboard(visit):
    visit.log_in()
    page = visit.page
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url(re.compile("/requests"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    visit.keep("keyboard")


@pytest.mark.parametrize("visit", [PHONE], indirect=True, ids=["phone"])
def test_the_menu_opens_on_a_phone(visit):
    visit.log_in()
    page = visit.page
    page.get_by_role("button", name="Menu").click()
    visit.page.get_by_role("link", name="API keys").wait_for()
    page.get_by_role("link", name="API keys").click()
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()


@pytest.mark.parametrize("visit", [{}, DARK, PHONE], indirect=True, ids=["light", "dark", "phone"])
def test_every_page_can_be_used_by_all(site, visit, request):
    make_calls(site)
    kind = request.node.callspec.id
    visit.open("/login")
    visit.keep(f"login-{kind}")
    visit.log_in()
    for name, path in PAGES.items():
        visit.open(path)
        visit.keep(f"{name}-{kind}")


@pytest.mark.parametrize("visit", [PHONE], indirect=True, ids=["phone"])
def test_ones_own_password_and_the_day_are_there_on_a_phone(site, visit):
    make_calls(site)
    visit.log_in()
    page = visit.open("/requests")
    day = page.locator("tbody .day").first
    assert not day.is_visible(), "it is today"
    day.evaluate("day => day.classList.remove('today')")
    assert day.is_visible()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Change your password").click()
    expect(page.get_by_role("heading", name="Change your password")).to_be_visible()
