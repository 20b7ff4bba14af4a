"""A demo of its own, a browser that is looked after, and calls to show."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

import grpc
import pytest
from grpc_tools import protoc
from playwright.sync_api import sync_playwright

import site_process

AXE = pathlib.Path(os.environ["STEEPLE_AXE"]).read_text()
SCREENS = pathlib.Path(os.environ["STEEPLE_SCREENS"])
PASSWORD = "a tower with bells in it"
# What axe-core calls worse than a nuisance.
GRAVE = {"serious", "critical"}


class Site(site_process.Site):
    """The demo with a superuser whose password is known, and calls to it."""

    def __init__(self, folder):
        super().__init__(folder)
        self.http = f"http://{self.environment['STEEPLE_SERVER__HTTP']}"
        self.environment["STEEPLE_SUPERUSER_PASSWORD"] = PASSWORD
        self.command("createsuperuser", "--username", "ada", "--email", "", "--noinput")

    def call(self, symbol, key=None):
        """Asks for a coin; gives the code it ended with."""
        metadata = [("x-api-key", key)] if key else []
        request = b"\x0a" + bytes([len(symbol)]) + symbol.encode()
        try:
            self.channel.unary_unary("/crypto.CryptoService/GetCoin")(request, metadata=metadata, timeout=10)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    @contextlib.contextmanager
    def agents(self, name, count):
        """Simulated wallet agents, connected for a while."""
        command = [site_process.BINARY.with_name("wallet-agent"), "--server", f"http://{self.address}", "--name", name]
        command += ["--clients", str(count), "--report", "1", "--api-key", self.key(name)]
        with open(self.folder / "agents.txt", "wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            try:
                yield
            finally:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    assert site.stop() == 0


@pytest.fixture(scope="session")
def chromium():
    path = os.environ.get("STEEPLE_CHROMIUM") or shutil.which("chromium")
    assert path, "Chromium is missing: install Debian's package chromium, or name one with STEEPLE_CHROMIUM"
    with sync_playwright() as playwright:
        # Its own sandbox wants a user that is not root.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page, and whatever went wrong on it."""

    def __init__(self, site, page):
        self.site, self.page, self.wrong = site, page, []
        page.on("console", lambda message: message.type in ("error", "warning") and self.wrong.append(message.text))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", self.look)
        # A violation of the policy is told to the document as well as to the console.
        page.add_init_script(
            "document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective}`))"
        )

    def look(self, request):
        if not request.url.startswith((self.site.http + "/", "data:", "blob:")):
            self.wrong.append(f"asked another host: {request.url}")

    def open(self, path):
        answer = self.page.goto(f"{self.site.http}/admin{path}")
        assert answer.status == 200, f"{path}: {answer.status}"
        return self.page

    def log_in(self, username="ada", password=PASSWORD):
        self.open("/login")
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("heading", name="Overview").wait_for()

    def keep(self, name):
        """Keeps a screenshot; looks whether the page can be used by all, and fits its width."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENS / f"{name}.png", full_page=True)
        width = self.page.viewport_size["width"]
        assert self.page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than {width}"
        # Not by a script tag: the policy would refuse it, as it should.
        self.page.evaluate(AXE)
        found = self.page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
        grave = [
            f"{one['id']}: {one['help']}: {node['html']} {node['failureSummary']}"
            for one in found
            if one["impact"] in GRAVE
            for node in one["nodes"]
        ]
        assert not grave, f"{name}:\n" + "\n".join(grave)


@pytest.fixture()
def visit(site, chromium, request):
    """A browser window; `@pytest.mark.parametrize("visit", [{…}], indirect=True)` says what kind."""
    wish = getattr(request, "param", {})
    options = {"viewport": {"width": 1360, "height": 900}, "color_scheme": "light", "accept_downloads": True, **wish}
    context = chromium.new_context(**options)
    context.set_default_timeout(15_000)
    visit = Visit(site, context.new_page())
    yield visit
    context.close()
    assert not visit.wrong, "\n".join(visit.wrong)
