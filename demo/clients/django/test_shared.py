"""Either side may migrate first, and either side's superusers are superusers of both."""

import pytest

import shared

MAKE = ["createsuperuser", "--noinput", "--username", "ada", "--email", "ada@example.org"]


def test_the_kept_statements_are_djangos_own(django, database):
    kind = database.split(":")[0].replace("postgresql", "postgres")
    kept = shared.ROOT / "crates" / "steeple" / "src" / "auth" / "tables" / f"{kind}.sql"
    assert kept.read_text().strip() == django(script="ddl.py")


@pytest.mark.parametrize("first", ["demo", "django"])
def test_either_migrates_first(demo, django, first):
    both = [lambda: demo("migrate"), lambda: django("migrate", "-v", "0")]
    for migrate in both if first == "demo" else reversed(both):
        migrate()
    django.is_content()
    assert demo("migrate", "--check") == {"pending": []}
    assert demo("migrate") == {"applied": []}

    demo(*MAKE, password=shared.PASSWORD)
    assert django.lets_in("ada", shared.PASSWORD)
    assert not django.lets_in("ada", "wrong")
    demo("changepassword", "ada", password="another one, 42")
    assert django.lets_in("ada", "another one, 42")
    assert not django.lets_in("ada", shared.PASSWORD)

    django("createsuperuser", "--noinput", "--username", "bob", "--email", "bob@example.org", password=shared.PASSWORD)
    ada, bob = demo("users")
    assert (ada["username"], bob["username"], bob["email"]) == ("ada", "bob", "bob@example.org")
    for user in ada, bob:
        assert user["is_superuser"] and user["is_staff"] and user["is_active"] and user["has_password"]
    demo("changepassword", "bob", password="another one, 42")
    assert django.lets_in("bob", "another one, 42")
