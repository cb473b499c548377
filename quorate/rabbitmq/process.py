# SPDX-License-Identifier: Apache-2.0
"""Which process is a broker: shared by the agent, which may end it, and the check, which only looks."""

import os

from quorate.host.process import same_root


def told_name(pid):
    """RABBITMQ_NODENAME in the environment of a process; None when it has none or it cannot be seen."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            words = file.read(65536).split(b"\0")
    except OSError:
        return None
    found = [word[18:] for word in words if word.startswith(b"RABBITMQ_NODENAME=")]
    return os.fsdecode(found[0]) if found else None


def is_broker(process, nodename):
    """Whether this is the broker of that Erlang name, or one that was told none (its unit or a person started it)."""
    words = process.argv
    if not words or not os.path.basename(words[0]).startswith("beam"):
        return False
    for first, second, third in zip(words, words[1:], words[2:]):
        if (first, second, third) == ("-s", "rabbit", "boot"):
            return same_root(process.pid) and told_name(process.pid) in (None, nodename)
    return False
