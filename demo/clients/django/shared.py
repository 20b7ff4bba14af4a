"""A demo and a Django project over one database, each by its own command line."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import uuid
from urllib.parse import unquote, urlsplit

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BINARY = pathlib.Path(os.environ.get("STEEPLE_DEMO", ROOT / "target" / "debug" / "demo")).resolve()
SERVERS = {name: os.environ.get(f"STEEPLE_TEST_{name.upper()}_URL") for name in ["postgres", "mysql"]}
PASSWORD = "Grüße aus Zürich 77"


@contextlib.contextmanager
def new_database(server):
    url = urlsplit(server)
    name = f"steeple_test_{uuid.uuid4().hex[:12]}"
    run_on(url, f"CREATE DATABASE {name}")
    try:
        yield url._replace(path=f"/{name}").geturl()
    finally:
        run_on(url, f"DROP DATABASE {name}" + (" WITH (FORCE)" if url.scheme.startswith("postgres") else ""))


def run_on(url, statement):
    if url.scheme.startswith("postgres"):
        import psycopg

        with psycopg.connect(url.geturl(), autocommit=True) as connection:
            connection.execute(statement)
    else:
        import pymysql

        user, password = unquote(url.username or ""), unquote(url.password or "")
        with pymysql.connect(host=url.hostname, port=url.port or 3306, user=user, password=password) as connection:
            connection.cursor().execute(statement)


class Demo:
    """The demo's commands over one database."""

    def __init__(self, url, folder):
        self.folder = folder
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("STEEPLE_")},
            "STEEPLE_DATABASE__URL": url,
        }

    def __call__(self, *arguments, password=None):
        """What a command gives; it must succeed."""
        variables = {} if password is None else {"STEEPLE_SUPERUSER_PASSWORD": password}
        if arguments[0] == "migrate":
            # In development the people of the demo would be put in.
            variables |= {"STEEPLE_ENV": "production", "STEEPLE_AUTH__SECRET_KEY": "a secret of the tests, of 32 bytes"}
        done = subprocess.run(
            [BINARY, *arguments, "--json"],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return json.loads(done.stdout)


class Django:
    """`manage.py` over one database."""

    def __init__(self, url):
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("DJANGO_")},
            "DJANGO_DATABASE_URL": url,
        }

    def __call__(self, *arguments, password=None, script="manage.py"):
        """What a command prints; it must succeed."""
        variables = {} if password is None else {"DJANGO_SUPERUSER_PASSWORD": password}
        done = subprocess.run(
            [sys.executable, script, *arguments],
            cwd=HERE,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout.strip()

    def lets_in(self, username, password):
        code = (
            "from django.contrib.auth import authenticate\n"
            f"user = authenticate(username={username!r}, password={password!r})\n"
            "print(user is not None and user.is_active and user.is_superuser)"
        )
        return self("shell", "--no-imports", "-v", "0", "-c", code) == "True"

    def is_content(self):
        """Nothing is left to do for it."""
        self("migrate", "--check", "-v", "0")
        self("makemigrations", "--check", "--dry-run", "-v", "0")
