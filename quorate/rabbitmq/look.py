# SPDX-License-Identifier: Apache-2.0
"""One look at the broker of this node, the same by the agent and by the check.

No question starts an Erlang machine, which costs 0.4 s of CPU: a handshake in AMQP, epmd's own protocol, the end of the log
where it does not listen, and the management API where there are credentials.
"""

import os

from quorate.rabbitmq import amqp, epmd, facts, stage
from quorate.rabbitmq.process import is_broker

TAIL = 65536  # bytes of the log that are read
SHARE = 0.5   # of the time for a look that the handshake may take


def look(place, process, level, seconds, session=None):
    """One look, within so many seconds: the Broker. session: amqp.Session of a check that keeps a connection."""
    from time import monotonic
    end = monotonic() + seconds
    word = session.ask(seconds * SHARE) if session else amqp.Word(None)
    hello = word.hello or amqp.hello(place.host, place.port, max(0.05, min(seconds * SHARE, end - monotonic())), place.tls)
    broker = facts.Broker(process, hello.listening, hello.answered, error=hello.error)
    left = max(0.05, end - monotonic())
    if hello.answered:
        broker = broker._replace(epmd=known(place, process, min(left, 0.5)))
        return _asked(broker, place, level, max(0.05, end - monotonic()), word)
    if hello.answered is False:
        return broker._replace(files=files(process.pid) if process else None)
    if process is not None and hello.listening is False:
        return broker._replace(stage=stage_of(place.log, process), epmd=known(place, process, min(left, 0.5)))
    return broker


def _asked(broker, place, level, seconds, word):
    """What serves, with what the management API says of it."""
    if word.refused or word.full:
        return broker._replace(refused=word.refused, full=word.full)
    if not place.user:
        return broker
    from quorate.rabbitmq import management
    return broker._replace(**management.ask(place, level, seconds))


def known(place, process, seconds):
    """Whether epmd knows this node; None when that cannot be told."""
    return epmd.knows(place.node, "127.0.0.1", epmd_port(process) or place.epmd_port, seconds)


def epmd_port(process):
    """The port of epmd that an Erlang machine was told (ERL_EPMD_PORT becomes a word of its command line); None: none."""
    words = process.argv if process else ()
    return next((int(port) for word, port in zip(words, words[1:]) if word == "-epmd_port" and port.isdigit()), None)


def stage_of(log, process=None):
    """How far a broker is that does not listen: see stage.of. None when there is no log, when it cannot be read, or when
    `process` has not written to it yet, so that it tells of an earlier one."""
    from time import time
    if not log:
        return None
    try:
        with open(log, "rb") as file:
            written, size = os.fstat(file.fileno()).st_mtime, file.seek(0, 2)
            if process is not None and written < began(process):
                return None
            file.seek(max(0, size - TAIL))
            return stage.of(file.read(TAIL).decode("utf-8", "replace"), time() - written)
    except OSError:
        return None


def began(process):
    """Unix seconds at which a process began, give or take a tick of the kernel's clock."""
    from time import CLOCK_BOOTTIME, clock_gettime, time
    return time() - clock_gettime(CLOCK_BOOTTIME) + process.start / os.sysconf("SC_CLK_TCK")


def files(pid):
    """(open files, how many it may open) of a process; None when that may not be known."""
    try:
        count = len(os.listdir("/proc/%d/fd" % pid))
        with open("/proc/%d/limits" % pid, encoding="ascii", errors="replace") as file:
            words = next(line.split() for line in file if line.startswith("Max open files"))
        return (count, int(words[3])) if words[3].isdigit() else None
    except (OSError, StopIteration, IndexError):
        return None


def find(processes, node, pid_file=None):
    """The Process of this node's broker, None: there is none. By the broker's own pid file, else among all processes. For
    the check: the agent has server.find, and a note of what it launched."""
    try:
        with open(pid_file or "", encoding="ascii", errors="replace") as file:
            process = processes.get(int(file.read().strip() or 0))
        if process and is_broker(process, node):
            return process
    except (OSError, ValueError):
        pass
    return next((one for one in processes.all() if is_broker(one, node)), None)
