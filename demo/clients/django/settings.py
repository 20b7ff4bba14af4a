"""As `startproject` writes them, as far as users are concerned. The database is the one of the site, named by
DJANGO_DATABASE_URL in the site's own spelling."""

import os
from urllib.parse import unquote, urlsplit

import pymysql

# Django asks for mysqlclient; PyMySQL speaks for it.
pymysql.version_info = (2, 2, 1, "final", 0)
pymysql.install_as_MySQLdb()

SECRET_KEY = "of the tests, and of nobody else"
USE_TZ = True
DEFAULT_AUTO_FIELD = os.environ.get("DJANGO_AUTO_FIELD", "django.db.models.BigAutoField")
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "library"]
if os.environ.get("DJANGO_OWN_USER"):
    INSTALLED_APPS.append("people")
    AUTH_USER_MODEL = "people.Person"

# All of Django's, so that each can be made and checked; the first is the default, as in a new project.
HASHERS = ["PBKDF2", "Argon2", "Scrypt", "BCryptSHA256", "BCrypt", "PBKDF2SHA1"]
PASSWORD_HASHERS = [f"django.contrib.auth.hashers.{name}PasswordHasher" for name in HASHERS]

ENGINES = {"sqlite": "sqlite3", "postgres": "postgresql", "postgresql": "postgresql", "mysql": "mysql"}
url = urlsplit(os.environ["DJANGO_DATABASE_URL"])
DATABASES = {
    "default": {
        "ENGINE": f"django.db.backends.{ENGINES[url.scheme]}",
        "NAME": (url.netloc + url.path) if url.scheme == "sqlite" else url.path.lstrip("/"),
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": (url.hostname or "") if url.scheme != "sqlite" else "",
        "PORT": (url.port or "") if url.scheme != "sqlite" else "",
    }
}
