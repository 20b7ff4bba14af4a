"""What the commands ask on a terminal. A password is not shown there."""

import os
import pty
import select
import termios
import time

import pytest

import shared

PATIENCE_SECONDS = 60


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, demo, *arguments):
        self.seen = ""
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.chdir(demo.folder)
            os.execve(shared.BINARY, [shared.BINARY, *arguments], demo.environment)

    def reads_until(self, text):
        """Everything it printed up to a text."""
        until = time.monotonic() + PATIENCE_SECONDS
        while text not in self.seen:
            assert time.monotonic() < until, f"{text!r} never came, but {self.seen!r}"
            if select.select([self.file], [], [], 0.1)[0]:
                self.seen += os.read(self.file, 4096).decode()
        before, self.seen = self.seen.split(text, 1)
        return before

    def is_blind(self):
        """Waits until it shows nothing of what is typed."""
        until = time.monotonic() + PATIENCE_SECONDS
        while termios.tcgetattr(self.file)[3] & termios.ECHO:
            assert time.monotonic() < until, "it shows what is typed"
            time.sleep(0.01)

    def is_told(self, line):
        os.write(self.file, f"{line}\n".encode())

    def ends(self):
        """Its exit code, and what it printed last."""
        try:
            while chunk := os.read(self.file, 4096):
                self.seen += chunk.decode()
        except OSError:
            # So a terminal says that nobody has it open.
            pass
        os.close(self.file)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), self.seen


@pytest.fixture()
def demo(tmp_path):
    demo = shared.Demo(f"sqlite://{tmp_path / 'demo.sqlite3'}", tmp_path)
    demo("migrate")
    return demo


def answer(terminal, question, line):
    before = terminal.reads_until(question)
    if question.startswith("Password"):
        terminal.is_blind()
    terminal.is_told(line)
    return before


def test_createsuperuser_asks_for_what_it_needs(demo):
    terminal = Terminal(demo, "createsuperuser")
    answer(terminal, "Username: ", "ada lovelace")
    assert "username: may have letters" in answer(terminal, "Username: ", "ada")
    answer(terminal, "Email address (may be empty): ", "ada")
    assert "must be an address" in answer(terminal, "Email address (may be empty): ", "ada@Example.org")
    answer(terminal, "Password: ", shared.PASSWORD)
    shown = answer(terminal, "Password (again): ", "something else")
    shown += answer(terminal, "Password: ", shared.PASSWORD)
    shown += answer(terminal, "Password (again): ", shared.PASSWORD)
    code, last = terminal.ends()
    assert code == 0 and "made the superuser ada" in last, last
    assert "the two differ" in shown
    assert shared.PASSWORD not in shown + last and "something else" not in shown + last
    (ada,) = demo("users")
    assert (ada["username"], ada["email"], ada["is_superuser"]) == ("ada", "ada@example.org", True)


def test_a_password_is_asked_for_three_times_at_most(demo):
    demo("createsuperuser", "--noinput", "--username", "ada", password=shared.PASSWORD)
    terminal = Terminal(demo, "changepassword", "ada")
    for _ in range(3):
        answer(terminal, "Password: ", shared.PASSWORD)
        answer(terminal, "Password (again): ", "something else")
    code, last = terminal.ends()
    assert code == 1 and "no password was given" in last, last
    terminal = Terminal(demo, "changepassword", "ada")
    for question in "Password: ", "Password (again): ":
        answer(terminal, question, "another one, 42")
    code, last = terminal.ends()
    assert code == 0 and "changed the password of ada" in last, last
