# SPDX-License-Identifier: Apache-2.0
"""Draining: a flag that root sets on this node, and that the check sees at its next observation.

A drained node that is well answers 404: with `http-check disable-on-404` HAProxy sends no new connection and keeps the
open ones. The flag is a file in a directory that only root can write; everybody could set the one of clustercheck.
"""

import os

DIRECTORY = "/run/quorate/drain"
NOTICED = 0.6  # seconds after which a running check has seen a change: its interval and a margin
PORT = 9200


def set(name, reason, directory=DIRECTORY):
    """Set the flag of `name` (a resource, or 'operator') on this node. Raises OSError."""
    before = os.umask(0o022)  # the check is not root, and a umask of 077 must not hide a drain from it
    try:
        os.makedirs(directory, exist_ok=True)
    finally:
        os.umask(before)
    above = os.path.dirname(directory)
    for made in (directory, above) if above == os.path.dirname(DIRECTORY) else (directory,):
        os.chmod(made, 0o755)  # a process that created it earlier had a umask, too
    path = os.path.join(directory, name)
    temporary = os.path.join(directory, "." + name)
    with open(temporary, "w", encoding="utf-8", errors="replace") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(" ".join(reason.split())[:200] + "\n")
    os.rename(temporary, path)


def clear(name, directory=DIRECTORY):
    """Remove the flag of `name`, if there is one."""
    try:
        os.unlink(os.path.join(directory, name))
    except OSError:
        pass


def active(directory=DIRECTORY):
    """The reason of the first flag on this node, None without one. A flag that is not root's does not count."""
    try:
        if os.stat(directory).st_uid != 0 or os.stat(directory).st_mode & 0o022:
            return None
        names = sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except OSError:
        return None
    for name in names:
        path = os.path.join(directory, name)
        try:
            if os.lstat(path).st_uid == 0:
                with open(path, encoding="utf-8", errors="replace") as file:
                    return " ".join(file.read(200).split()) or name
        except OSError:
            continue
    return None


def served(port=PORT):
    """Whether a check listens on this node. Without one a drain has no effect."""
    import socket
    try:
        with socket.create_connection(("127.0.0.1", port), 0.3):
            return True
    except OSError:
        return False
