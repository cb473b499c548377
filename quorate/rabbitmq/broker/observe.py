# SPDX-License-Identifier: Apache-2.0
"""Host to facts: what this node's broker does at this moment. How it is asked is in look.py, which the check shares. Only
level 20 runs rabbitmq-diagnostics.

One look at the broker of this node, the same by the agent and by the check.

No question starts an Erlang machine, which costs 0.4 s of CPU: a handshake in AMQP, epmd's own protocol, the end of the log
where it does not listen, and the management API where there are credentials.
"""

import os
from collections import namedtuple

from quorate.errors import Unreadable
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import amqp, credentials, epmd, health, parse
from quorate.rabbitmq.broker.process import is_broker

FAILED_CHECK = 69  # EX_UNAVAILABLE: the check of rabbitmq-diagnostics ran, and says no; other codes say nothing
TAIL = 65536  # bytes of the log that are read
SHARE = 0.5   # of the time for a look that the handshake may take


class Observation(namedtuple("Observation", "state process broker sentence code", defaults=(health.UNKNOWN,))):
    """state: of facts; process: the broker or None; broker: Broker; sentence: in words; code: of health."""

    __slots__ = ()


def observe(context, state_files, layout):
    """The state of this node's broker, by process first and then by its own word."""
    from quorate.rabbitmq.broker.process import find
    process = find(context, state_files, layout.nodename)
    if process is None:
        broker = facts.Broker(listening=False)
        return Observation(facts.DOWN, None, broker, health.classify(broker).sentence, health.DOWN)
    if process.state in "Tt":
        return judged(facts.Broker(process))  # no question can be answered; asking only costs the time to find that out
    try:
        place, trouble = of_layout(layout, context.parameters), None
    except Unreadable as error:
        place, trouble = of_layout(layout), error.reason
    limit = context.parameters.check_timeout
    observed = judged(_with(observe_broker(place, process, context.check_level, context.deadline.limit(limit)), trouble))
    if observed.code == health.HUNG and not context.deadline.expired:  # one slow answer is no hang
        observed = judged(_with(observe_broker(place, process, context.check_level, context.deadline.limit(limit)), trouble))
    if context.check_level >= 20 and observed.broker.answered:
        observed = judged(diagnosed(context, layout, observed.broker))
    return observed


def judged(broker):
    """The Observation of a Broker."""
    found = health.classify(broker)
    # On the larger side of a partition it is fit: to the others it is the cluster that runs.
    state = facts.RUNNING if found.ok else health.STATES[found.code]
    return Observation(state, broker.process, broker, found.sentence, found.code)


def _with(broker, trouble):
    return broker._replace(error=broker.error or trouble) if trouble else broker


def of_layout(layout, parameters=None):
    """The Where of an agent. Raises Unreadable for its file of credentials."""
    place = credentials.Where(port=layout.port, tls=layout.tls, node=layout.nodename, log=layout.log)
    if parameters is None:
        return place
    place = place._replace(management_port=parameters.management_port)
    wanted = parameters.credentials
    return credentials.with_file(place, wanted or credentials.CREDENTIALS, bool(wanted))


def diagnosed(context, layout, broker):
    """The Broker with what rabbitmq-diagnostics adds. It starts an Erlang machine each time. Its failure is unknown: it may
    have the wrong cookie, no epmd, or no time."""
    for check, understand in (("check_local_alarms", _cli_alarms), ("check_virtual_hosts", _cli_hosts)):
        result = context.commands.run(["rabbitmq-diagnostics", "-q", check], context.deadline.limit(15),
                                      env={"RABBITMQ_NODENAME": layout.nodename})
        if result.rc == FAILED_CHECK:
            broker = understand(broker, " ".join((result.out + " " + result.err).split()))
        elif result.rc == 0 and check == "check_local_alarms":
            broker = broker._replace(alarms=())
        elif result.rc != 0:
            return broker._replace(error="rabbitmq-diagnostics %s says nothing of it (%s)." % (
                check, "it took too long" if result.timed_out else "code %s" % result.rc))
    return broker


def _cli_alarms(broker, text):
    words = tuple(word for word in ("disk", "file_descriptor", "memory") if word in text.lower())
    return broker._replace(alarms=words or ("unknown kind",))


def _cli_hosts(broker, text):
    return broker._replace(error="A virtual host is down on this node: %s" % text[:200].rstrip(".") + ".")


def observe_broker(place, process, level, seconds, session=None):
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
    from quorate.rabbitmq.broker import management
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
            return parse.boot_stage(file.read(TAIL).decode("utf-8", "replace"), time() - written)
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


def find_to_look_at(processes, node, pid_file=None):
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
