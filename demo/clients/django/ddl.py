"""Prints the statements that make Django's tables of users and its history as its last migrations leave them, for the
database that DJANGO_DATABASE_URL names; only the kind of it matters, nothing is written there.

The three kept files are crates/steeple/src/auth/tables/*.sql; test_shared.py holds them to this."""

import os
import sys

MODELS = [("contenttypes", "ContentType"), ("auth", "Permission"), ("auth", "Group"), ("auth", "User")]
HEAD = "-- Made by demo/clients/django/ddl.py with Django 5.2. One statement a line."


def statements():
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader
    from django.db.migrations.recorder import MigrationRecorder

    last = ("auth", "0012_alter_user_first_name_max_length")
    apps = MigrationLoader(connection).project_state([last]).apps
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        for app, model in MODELS:
            editor.create_model(apps.get_model(app, model))
        editor.create_model(MigrationRecorder.Migration)
    return editor.collected_sql


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
    import django

    django.setup()
    print(HEAD)
    print("\n".join(statements()))
