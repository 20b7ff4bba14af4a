import pytest

import shared


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def database(request, tmp_path):
    """The URL of an empty database: a file, or one made on the server of the tests, if there is one."""
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'shared.sqlite3'}"
        return
    server = shared.SERVERS[request.param]
    if server is None:
        pytest.skip(f"no {request.param} server is named")
    with shared.new_database(server) as url:
        yield url


@pytest.fixture()
def demo(database, tmp_path):
    return shared.Demo(database, tmp_path)


@pytest.fixture()
def django(database):
    return shared.Django(database)
