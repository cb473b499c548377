# SPDX-License-Identifier: Apache-2.0
"""The Erlang cookie, the secret by which the nodes of a cluster know each other. Whoever has it may run anything in the
broker, so only the broker's user may read it; Erlang itself refuses a file that others can read (net_kernel, auth.erl).

It is compared by a fingerprint, and never shown. A variable can give it too, which the broker then takes instead of the
file, and its tools only from their environment (seen in 3.10.8): so they are given it there.
"""

import os

from quorate.errors import Unreadable

DIGITS = 6  # of the hash: 24 bits, enough to see a difference and of no use to guess the cookie
ROUNDS = 20000


def by_variable():
    """The Erlang cookie that rabbitmq-env.conf gives; None: it gives none, or is not understood."""
    try:
        return _by_variable()
    except Unreadable:
        return None


def _by_variable():
    from quorate.rabbitmq.broker.settings.places import cookie
    from quorate.rabbitmq.broker.settings.variables import Variables
    return cookie(Variables())


def problems(layout, uid):
    """What is wrong with this node's cookie: a list of messages. uid: of the broker's user."""
    path = layout.cookie
    try:
        status = os.stat(path)
    except OSError:
        return [] if by_variable() else [
            "There is no Erlang cookie %s: copy it from another node; on the first node of all: quorate rabbitmq cookie"
            % path]
    if status.st_uid != uid:
        return ["The Erlang cookie belongs to uid %d and not to %s: chown %s:%s %s" % (
            status.st_uid, layout.user, layout.user, layout.group, path)]
    if status.st_mode & 0o077:
        return ["The Erlang cookie can be read by others (mode %o), and Erlang refuses it: chmod 400 %s" % (
            status.st_mode & 0o777, path)]
    if not status.st_size and not by_variable():
        return ["The Erlang cookie %s is empty. Copy the file from another node of the cluster." % path]
    return []


def fingerprint(layout, salt):
    """A few digits that are equal where the cookies are; None when no cookie can be read.

    Slow on purpose, and cut short: it goes into a node attribute, and nobody must be able to find out the cookie from
    it.
    """
    try:
        secret = os.fsencode(_by_variable() or "").strip()
        if not secret:
            with open(layout.cookie, "rb") as file:
                secret = file.read(4096).strip()
    except (OSError, Unreadable):
        return None
    if not secret:
        return None
    from hashlib import pbkdf2_hmac
    return pbkdf2_hmac("sha256", secret, ("quorate " + salt).encode(), ROUNDS).hex()[:DIGITS]


def advice(layout):
    """A list of messages about a cookie that works and should be elsewhere."""
    from quorate.rabbitmq.broker.settings.variables import ENV
    if not by_variable():
        return []
    return ["The Erlang cookie is a variable in %s, which RabbitMQ calls deprecated: write it into %s on all nodes "
            "(owner %s, mode 400), and remove the variable." % (ENV, layout.cookie, layout.user)]


def create(layout):
    """Make a cookie, only when an operator orders it. Raises FileExistsError when there is one."""
    import pwd
    import secrets
    account = pwd.getpwnam(layout.user)
    handle = os.open(layout.cookie, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    try:
        os.write(handle, secrets.token_hex(32).encode())
        os.fchown(handle, account.pw_uid, account.pw_gid)
        os.fsync(handle)
    finally:
        os.close(handle)
