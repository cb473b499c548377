# SPDX-License-Identifier: Apache-2.0
"""A token for the check: from a file, or from Keystone by credentials from a file. Neither file may be everybody's to read."""

import os
from time import time

from quorate.errors import Unreadable
from quorate.openstack.api import parse
from quorate.openstack.api.facts import Token

EARLY = 60.0   # seconds before it ends that a token is renewed
AGAIN = 10.0   # seconds until Keystone is asked again after it refused: its password hashes are made to cost, and it locks
               # users out (lockout_failure_attempts)
LATER = 3.0    # the same after it gave no answer, or another one


def content(path):
    """The text of a secret file. Raises Unreadable."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            mode, text = os.fstat(file.fileno()).st_mode, file.read(65536)
    except OSError as error:
        raise Unreadable("The file %s cannot be read: %s." % (path, error.strerror)) from None
    if mode & 0o007:
        raise Unreadable("Every user can use the secret file %s: chmod o= %s" % (path, path))
    return text


class TokenFile:
    """Somebody else renews the token, and writes it to a file."""

    kind = "token"

    def __init__(self, path):
        self._path = path

    def token(self, client, seconds):
        """(Token, None), or (None, why not)."""
        try:
            words = content(self._path).split()
        except Unreadable as error:
            return None, error.reason
        return (Token(words[0], None, None), None) if words else (None, "the file %s is empty." % self._path)

    def forget(self):
        """A token was refused; whether there is any use in asking again."""
        return False


class Login:
    """A token from Keystone, kept until it ends. auth_url: goes before the one in the file, and is what is checked: it is
    asked each time, unless it refused."""

    kind = "credentials"

    def __init__(self, path, auth_url=None, clock=time):
        self._path, self._auth_url, self._clock = path, auth_url, clock
        self._token, self._failed = None, None  # (until when not to ask again, why)
        self.reply = None  # Keystone's last one that held no token

    def token(self, client, seconds):
        """(Token, None), or (None, why not); may ask Keystone."""
        if self._token and self._clock() < self._token.expires - EARLY:
            return self._token, None
        if self._failed and self._failed[0] - AGAIN <= self._clock() < self._failed[0]:
            return None, self._failed[1]
        self._token, self.reply = None, None
        try:
            found = parse.openrc(content(self._path))
        except Unreadable as error:
            return None, error.reason
        except ValueError as error:
            return None, "%s: %s." % (self._path, error)
        url = parse.token_url(self._auth_url or found["OS_AUTH_URL"])
        reply = client.exchange("POST", url, seconds, json=parse.token_request(found))
        self._token = parse.token(reply)
        if self._token:
            self._failed = None
            return self._token, None
        self.reply = reply
        why = reply.detail or reply.error or ("it refuses the credentials (401)" if reply.status == 401 else
                                              "it answers %s" % reply.status)
        pause = AGAIN if reply.status == 401 else 0.0 if self._auth_url else LATER
        self._failed = (self._clock() + pause, "Keystone (%s) gave none: %s." % (url, why))
        return None, self._failed[1]

    def forget(self):
        """A token was refused: it may have been revoked, or Keystone's keys changed."""
        fresh = self._token is not None
        self._token = None
        return fresh
