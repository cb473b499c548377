# SPDX-License-Identifier: Apache-2.0
"""The Erlang cookie: the secret by which the nodes of a cluster know each other. Looked at, compared, never shown.

Whoever has it may run anything in the broker, so only the broker's user may read it; Erlang itself refuses a file that
others can (net_kernel, auth.erl).
"""

import os

DIGITS = 6  # of the hash: 24 bits, enough to see a difference and of no use to guess the cookie
ROUNDS = 20000


def problems(layout, uid):
    """What is wrong with this node's cookie: a list of sentences."""
    path = layout.cookie
    try:
        status = os.stat(path)
    except OSError:
        return ["There is no Erlang cookie %s on this node. Copy the file from another node of the cluster; for the first "
                "node of all: quorate rabbitmq cookie" % path]
    if status.st_uid != uid:
        return ["The Erlang cookie %s belongs to uid %d and not to %s: chown %s:%s %s && chmod 400 %s" % (
            path, status.st_uid, layout.user, layout.user, layout.group, path, path)]
    if status.st_mode & 0o077:
        return ["The Erlang cookie %s can be read by others (mode %o), and Erlang refuses it: chmod 400 %s" % (
            path, status.st_mode & 0o777, path)]
    if not status.st_size:
        return ["The Erlang cookie %s is empty. Copy the file from another node of the cluster." % path]
    return []


def mark(layout, salt):
    """A few digits that are alike where the cookies are; None when there is none that can be read.

    Slow on purpose, and cut short: it goes into a node attribute, where the cookie must not be found out from it.
    """
    try:
        with open(layout.cookie, "rb") as file:
            secret = file.read(4096).strip()
    except OSError:
        return None
    if not secret:
        return None
    from hashlib import pbkdf2_hmac
    return pbkdf2_hmac("sha256", secret, ("quorate " + salt).encode(), ROUNDS).hex()[:DIGITS]


def create(layout):
    """Make a cookie where there is none: by the operator's word only. Raises FileExistsError when there is one."""
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
