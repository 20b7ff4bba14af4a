"""Makes and reads tokens with djangorestframework-simplejwt, as a Django project that shares its keys with a site would.

Reads one JSON object from standard input: algorithm, signing_key, verifying_key, issuer, audience, user_id, tokens.
Prints one: `made`, tokens for that user, and `read`, for each of the tokens that were given the name of the user whom
Django REST framework lets in with it (`access`) and the user id in it as a refresh token (`refresh`); null where simplejwt
refuses. Wants Django 5 and djangorestframework-simplejwt.
"""

import json
import sys
from datetime import timedelta

import django
from django.conf import settings

asked = json.load(sys.stdin)

settings.configure(
    SECRET_KEY="of no account here: simplejwt has its own",
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    SIMPLE_JWT={
        "ALGORITHM": asked["algorithm"],
        "SIGNING_KEY": asked["signing_key"],
        "VERIFYING_KEY": asked["verifying_key"],
        "ISSUER": asked["issuer"],
        "AUDIENCE": asked["audience"],
    },
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from rest_framework.exceptions import APIException  # noqa: E402
from rest_framework.test import APIRequestFactory  # noqa: E402
from rest_framework_simplejwt.authentication import JWTAuthentication  # noqa: E402
from rest_framework_simplejwt.backends import TokenBackend  # noqa: E402
from rest_framework_simplejwt.exceptions import TokenError  # noqa: E402
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, SlidingToken  # noqa: E402

call_command("migrate", verbosity=0)
user = get_user_model().objects.create_user("ada", id=asked["user_id"])


def made():
    refresh = RefreshToken.for_user(user)
    expired = AccessToken.for_user(user)
    expired.set_exp(lifetime=timedelta(seconds=-10))
    other = TokenBackend("HS256", signing_key="a secret that nobody shares with anybody, long")
    return {
        "access": str(AccessToken.for_user(user)),
        "access_of_refresh": str(refresh.access_token),
        "refresh": str(refresh),
        "sliding": str(SlidingToken.for_user(user)),
        "expired": str(expired),
        "other_secret": other.encode(AccessToken.for_user(user).payload),
    }


def access(token):
    request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {token}")
    try:
        found, _ = JWTAuthentication().authenticate(request)
        return found.get_username()
    except APIException:
        return None


def refresh(token):
    try:
        return int(RefreshToken(token)["user_id"])
    except TokenError:
        return None


read = [{"access": access(token), "refresh": refresh(token)} for token in asked["tokens"]]
json.dump({"made": made(), "read": read}, sys.stdout)
