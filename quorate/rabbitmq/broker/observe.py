# SPDX-License-Identifier: Apache-2.0
"""What this node's broker does at this moment: `observe` for the agent, `observe_broker` for the agent and the check.

No source starts an Erlang machine, which costs 0.4 s of CPU: the process table, an AMQP handshake, epmd's own protocol,
the end of the log where the broker does not listen, and the management API where there are credentials. Only a monitor
of level 20 runs rabbitmq-diagnostics.
"""

import os
from collections import namedtuple

from quorate.errors import Unreadable
from quorate.host import amqp
from quorate.host.process import same_network
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import credentials, epmd, health
from quorate.rabbitmq.broker.layout import MANAGEMENT_PORT, encode_layout, identity, locate
from quorate.rabbitmq.broker.process import boot_stage, find

FAILED_CHECK = 69  # EX_UNAVAILABLE: the check of rabbitmq-diagnostics ran, and says no; other codes say nothing
ELSEWHERE = "It runs in another network namespace (pid %d), where this machine does not reach it."


class Observation(namedtuple("Observation", "state process broker sentence code", defaults=(health.UNKNOWN,))):
    """state: of facts; process: the broker's, or None; broker: facts.Broker; sentence: for the operator; code: of
    health."""

    __slots__ = ()


def observe(context, state_files, layout):
    """The Observation of this node's broker, for the agent."""
    process = find(context, state_files, layout.nodename)
    if process is None:
        broker = facts.Broker(listening=False)
        return Observation(facts.DOWN, None, broker, health.classify(broker).sentence, health.DOWN)
    if process.state in "Tt":
        return observation(facts.Broker(process))  # it cannot answer; asking would only take time
    known = layout.listener == identity(process)
    if not known:
        layout, closed = located(context, state_files, layout, process)
        if closed:
            return observation(without_listener(state_files, layout, process))
        if layout.listener != identity(process) and not same_network(process):
            return observation(facts.Broker(process, error=ELSEWHERE % process.pid))
    observed = ask(context, layout, process)
    if known and observed.broker.answered is not True:
        # It may listen elsewhere by now, or nowhere, as in maintenance; and who answers there may be another program.
        moved, closed = located(context, state_files, layout, process)
        if closed:
            return observation(without_listener(state_files, layout, process))
        if moved[:] != layout[:]:
            layout, observed = moved, ask(context, moved, process)
    if observed.broker.answered is not True and not same_network(process):
        return observation(facts.Broker(process, error=ELSEWHERE % process.pid))
    if observed.code == health.HUNG and not context.deadline.expired:  # one slow answer is no hang
        observed = ask(context, layout, process)
    if context.check_level >= 20 and observed.broker.answered:
        observed = observation(with_diagnostics(context, layout, observed.broker))
    return observed


def ask(context, layout, process, seconds=None):
    """The Observation of a broker that listens where the Layout says, within so many seconds (None: check_timeout)."""
    try:
        endpoint, problem = layout_endpoint(layout, context.parameters), None
    except Unreadable as error:
        endpoint, problem = layout_endpoint(layout), error.reason
    limit = context.deadline.limit(seconds or context.parameters.check_timeout)
    broker = observe_broker(endpoint, process, context.check_level, limit)
    return observation(broker._replace(error=broker.error or problem) if problem else broker)


def located(context, state_files, layout, process):
    """(Layout, closed): the Layout with the listeners that this broker has, recorded for the next monitors; closed: it
    listens nowhere for AMQP. Where that cannot be seen, the Layout as it was."""
    boots = _stage(state_files, layout, process) in (facts.STARTING, facts.WAITING)
    found = locate(context, layout, process, boots)
    if not found:
        return layout, found is not None
    try:
        state_files.write("layout", encode_layout(found))
    except OSError as error:
        context.log.debug("The layout is not recorded: %s" % error)
    return found, False


def without_listener(state_files, layout, process):
    """The Broker that runs and has no AMQP listener: its log says why."""
    return facts.Broker(process, False, stage=_stage(state_files, layout, process),
                        epmd=known_to_epmd(layout_endpoint(layout), process, 0.5))


def _stage(state_files, layout, process):
    """The boot stage by the broker's log, or by what it prints where it logs to no file."""
    return boot_stage(layout.log, process) or boot_stage(state_files.path("output"), process)


def observation(broker):
    """The Observation of a Broker."""
    found = health.classify(broker)
    # On the larger side of a partition it is fit: for the others it is the cluster that runs.
    state = facts.RUNNING if found.ok else health.STATES[found.code]
    return Observation(state, broker.process, broker, found.sentence, found.code)


def layout_endpoint(layout, parameters=None):
    """The Endpoint of an agent; with parameters, also its credentials. Raises Unreadable for their file."""
    endpoint = credentials.Endpoint(
        host=layout.host, port=layout.port, tls=layout.tls, node=layout.nodename, log=layout.log,
        management_host=layout.management_host, management_port=layout.management_port,
        management_tls=layout.management_tls, management_path=layout.management_path)
    if parameters is None:
        return endpoint
    if parameters.management_port != MANAGEMENT_PORT:
        endpoint = endpoint._replace(management_port=parameters.management_port)
    path = parameters.credentials
    return credentials.with_file(endpoint, path or credentials.CREDENTIALS, bool(path))


def with_diagnostics(context, layout, broker):
    """The Broker with what rabbitmq-diagnostics adds, which starts an Erlang machine for each question. When it fails,
    that is unknown: it may have the wrong cookie, no epmd, or no time."""
    for check, add in (("check_local_alarms", _add_alarms), ("check_virtual_hosts", _add_virtual_hosts)):
        result = context.commands.run(["rabbitmq-diagnostics", "-q", check], context.deadline.limit(15),
                                      env=layout.environment())
        if result.rc == FAILED_CHECK:
            broker = add(broker, " ".join((result.out + " " + result.err).split()))
        elif result.rc == 0 and check == "check_local_alarms":
            broker = broker._replace(alarms=())
        elif result.rc != 0:
            return broker._replace(error="rabbitmq-diagnostics %s gave no result (%s)." % (
                check, "it took too long" if result.timed_out else "code %s" % result.rc))
    return broker


def _add_alarms(broker, text):
    words = tuple(word for word in ("disk", "file_descriptor", "memory") if word in text.lower())
    return broker._replace(alarms=words or ("unknown kind",))


def _add_virtual_hosts(broker, text):
    return broker._replace(error="A virtual host is down on this node: %s" % text[:200].rstrip(".") + ".")


# one observation, the same for the agent and the check

def observe_broker(endpoint, process, level, seconds, session=None):
    """The Broker, within so many seconds. process: the broker's, or None; level: see management.ask; session:
    amqp.Session of a check that keeps a connection.

    AMQP may take all of the time, since what does not answer in it counts as hung; the management API, which only adds
    to that, has what is left."""
    from time import monotonic
    end = monotonic() + seconds
    result = session.ask(seconds) if session else amqp.SessionResult(None)
    greeted = result.handshake or amqp.handshake(
        endpoint.host, endpoint.port, max(0.05, end - monotonic()), endpoint.tls, endpoint.certificate)
    broker = facts.Broker(process, greeted.listening, greeted.answered, error=greeted.error, refused=greeted.refused)
    left = max(0.05, end - monotonic())
    if greeted.answered:
        broker = broker._replace(epmd=known_to_epmd(endpoint, process, min(left, 0.5)))
        return _with_management(broker, endpoint, level, max(0.05, end - monotonic()), result)
    if greeted.answered is False:
        return broker._replace(files=open_files(process.pid) if process else None)
    if process is not None and greeted.listening is False:
        return broker._replace(stage=boot_stage(endpoint.log, process),
                               epmd=known_to_epmd(endpoint, process, min(left, 0.5)))
    return broker


def _with_management(broker, endpoint, level, seconds, result):
    """The Broker that answered, with what the management API says."""
    if result.refused or result.full:
        return broker._replace(refused=result.refused, full=result.full)
    if not endpoint.user:
        return broker
    from quorate.rabbitmq.broker.tools import management
    return with_answers(broker, management.ask(endpoint, level, seconds))


def tls_refused(broker):
    """Whether it refused us in TLS, before any credentials: then the management API may still be asked."""
    return bool(broker.refused and (broker.error or "").startswith("TLS "))


def with_answers(broker, found):
    """The Broker with fields that the management API gave: it says what a broker that wants a certificate did not."""
    if tls_refused(broker) and "alarms" in found and "error" not in found:
        found = dict(found, refused=None, error=None)
    return broker._replace(**found)


def known_to_epmd(endpoint, process, seconds):
    """Whether epmd knows this node; None when that cannot be found out: another network namespace has another epmd."""
    found = epmd.knows(endpoint.node, "127.0.0.1", epmd_port(process) or endpoint.epmd_port, seconds)
    return None if found is False and process is not None and not same_network(process) else found


def epmd_port(process):
    """The port of epmd on the command line of an Erlang machine (ERL_EPMD_PORT becomes an argument); None: none."""
    words = process.argv if process else ()
    return next((int(port) for word, port in zip(words, words[1:]) if word == "-epmd_port" and port.isdigit()), None)


def open_files(pid):
    """(number of open files, how many it may open) of a process; None when that cannot be read."""
    try:
        count = len(os.listdir("/proc/%d/fd" % pid))
        with open("/proc/%d/limits" % pid, encoding="ascii", errors="replace") as file:
            words = next(line.split() for line in file if line.startswith("Max open files"))
        return (count, int(words[3])) if words[3].isdigit() else None
    except (OSError, StopIteration, IndexError):
        return None
