import os
import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class Person(AbstractUser):
    """A user model of a project's own, which a site cannot share, whatever the name of its table."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

    class Meta(AbstractUser.Meta):
        db_table = os.environ["DJANGO_OWN_USER"]
