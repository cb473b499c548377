# SPDX-License-Identifier: Apache-2.0
"""A token for the check: from a file, or from Keystone with credentials from a file. No other user may read either
file."""

import os
from time import time

from quorate.errors import Unreadable
from quorate.openstack.api import parse
from quorate.openstack.api.facts import Token

RENEW_BEFORE = 60.0    # seconds before its end at which a token is renewed
PAUSE_REFUSED = 10.0   # seconds until Keystone is asked again after it refused the credentials: its password hashes are
                       # expensive by design, and it locks users out (lockout_failure_attempts)
PAUSE_FAILED = 3.0     # the same after no answer, or any other one


def read_secret(path):
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
    """A token in a file, which something else renews."""

    kind = "token"

    def __init__(self, path):
        self._path = path

    def token(self, client, seconds):
        """(Token, None), or (None, reason)."""
        try:
            words = read_secret(self._path).split()
        except Unreadable as error:
            return None, error.reason
        return (Token(words[0], None, None), None) if words else (None, "the file %s is empty." % self._path)

    def forget(self):
        """The token was refused. Whether another attempt makes sense: no, the file is read each time."""
        return False


class Login:
    """A token from Keystone, kept until it ends. auth_url: overrides the one in the file, for a Keystone that is itself
    checked: it is asked each time, unless it refused the credentials."""

    kind = "credentials"

    def __init__(self, path, auth_url=None, clock=time):
        self._path, self._auth_url, self._clock = path, auth_url, clock
        self._token, self._failed = None, None  # _failed: (until when not to ask again, reason)
        self.reply = None  # Keystone's last Reply without a token

    def token(self, client, seconds):
        """(Token, None), or (None, reason). Asks Keystone when no token is left."""
        if self._token and self._clock() < self._token.expires - RENEW_BEFORE:
            return self._token, None
        if self._failed and self._failed[0] - PAUSE_REFUSED <= self._clock() < self._failed[0]:
            return None, self._failed[1]
        self._token, self.reply = None, None
        try:
            found = parse.openrc(read_secret(self._path))
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
        reason = reply.detail or reply.error or ("it refuses the credentials (401)" if reply.status == 401 else
                                                 "it answers %s" % reply.status)
        pause = PAUSE_REFUSED if reply.status == 401 else 0.0 if self._auth_url else PAUSE_FAILED
        self._failed = (self._clock() + pause, "Keystone (%s) gave no token: %s." % (url, reason))
        return None, self._failed[1]

    def forget(self):
        """The token was refused: it may have been revoked, or Keystone's keys changed. Whether another attempt makes
        sense."""
        was_kept = self._token is not None
        self._token = None
        return was_kept
