# SPDX-License-Identifier: Apache-2.0
"""Whether the launched server, which is gone, ever was ready for clients, by its own log."""

import os

from quorate.host import daemon

# In the first line that a server of MariaDB or MySQL logs: "Starting MariaDB ... as process 560".
BEGIN = b" as process "
BEGIN_WITHIN = 4096  # bytes


def never_ready(state_files, log, socket):
    """Whether its own log proves that it never was ready; False where the log does not tell: it was rotated or emptied
    meanwhile (logrotate, with or without copytruncate), or cannot be read.

    Before the server accepts its first connection it logs its version and its socket in quotes, also with
    silent-startup and in every language of lc_messages (ER_STARTUP in sql/share/errmsg-utf8.txt, sql/mysqld.cc).
    """
    if not log or not socket:
        return False
    known = state_files.read("log-offset")
    sign, kept, found = ("'%s'" % socket).encode(), b"", False
    try:
        offset = int(known.get("bytes", 0))
        # O_NONBLOCK: a stop must not wait for somebody who opens the other end of a pipe.
        with open(os.open(log, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            file.seek(offset)
            while True:
                part = file.read(1 << 20)
                if not part:
                    break
                # What was empty at the launch shows by nothing but its first line that it was not emptied again.
                if sign in kept + part or (not found and not offset and BEGIN not in part[:BEGIN_WITHIN]):
                    return False
                kept, found = part[-len(sign):], True
    except (OSError, ValueError):
        return False
    # Afterwards, since it may have been emptied while it was read.
    return found and daemon.is_whole(known, log)
