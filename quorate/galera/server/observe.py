# SPDX-License-Identifier: Apache-2.0
"""Host to facts: what this node's server does at this moment."""

import os
from collections import namedtuple

from quorate.errors import Unreadable
from quorate.galera import facts
from quorate.galera.server.process import find, new_log
from quorate.host import daemon

DATADIR = "/var/lib/mysql"
ENDING_PATIENCE = 5  # seconds a monitor waits for the end of a server that was killed a moment ago
SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/var/run/mysqld/mysqld.sock")


class Observation(namedtuple("Observation", "state process status sentence")):
    """state: of facts; process: the server or None; status: ServerStatus or None; sentence: in words."""

    __slots__ = ()


def data_directory(context, state_files):
    """Where the data are, without asking the server: stop must work with the software removed."""
    return (context.parameters.datadir or state_files.read(daemon.NOTE).get("datadir") or state_files.read("layout").get("datadir")
            or _configured_datadir(context) or DATADIR)


def _configured_datadir(context):
    from quorate.galera.server.layout import find_layout
    from quorate.ocf.codes import Failed
    try:
        return find_layout(context).datadir
    except Failed:
        return None


def socket(context, state_files):
    """The server's socket."""
    known = context.parameters.socket or state_files.read(daemon.NOTE).get("socket") or state_files.read("layout").get("socket")
    return known or next((path for path in SOCKETS if os.path.exists(path)), SOCKETS[0])


def observe(context, state_files):
    """The state of this node's server, by process first and then by its own word."""
    process = daemon.launched_process(context, state_files)
    if process is None:
        process = find(context, state_files, data_directory(context, state_files))
    if process is not None and daemon.is_ending(process):
        # Half dead it takes no connection, which looks like a server that starts; the truth is a moment away.
        context.deadline.poll(lambda: context.processes.gone(process), up_to=ENDING_PATIENCE)
        if not context.processes.gone(process):
            return Observation(facts.HUNG, process, None, "mysqld (pid %d) was killed and does not end (state %s)." % (
                process.pid, process.state))
        process = None
    if process is None:
        return Observation(facts.DOWN, None, None, "No database server runs on this node.")
    if process.state in "Tt":
        # No question can be answered; asking would only cost the time to find that out.
        return Observation(facts.HUNG, process, None, "mysqld (pid %d) is stopped by a signal (SIGSTOP)." % process.pid)
    return ask(context, state_files, process)


def ask(context, state_files, process):
    """The state by the server's own word."""
    from quorate.galera.server import credentials, health, sql
    try:
        how = credentials.for_agent(context.parameters, socket(context, state_files))
    except Unreadable as trouble:  # it lives, and we do not know how to ask it
        return Observation(facts.UNKNOWN, process, facts.ServerStatus(answered=False, error=trouble.reason), trouble.reason)
    limit = context.parameters.check_timeout
    status = sql.ask(how, context.deadline.limit(limit))
    judged = health.classify(status, health.Policy())
    if judged.code == "hung" and not context.deadline.expired:
        status = sql.ask(how, context.deadline.limit(limit))  # one slow answer is no hang
        judged = health.classify(status, health.Policy())
    return Observation(state_of(context, state_files, process, status, judged), process, status, judged.sentence)


def state_of(context, state_files, process, status, judged):
    """The word of facts for what was heard."""
    if status.answered:
        if status.cluster_status != "Primary":
            return facts.NONPRIMARY
        return {4: facts.SYNCED, 2: facts.DONOR}.get(status.local_state, facts.JOINED)
    if judged.code == "hung":
        return facts.HUNG
    if judged.code == "non-primary":
        return facts.NONPRIMARY
    if judged.code == "down":  # the process is there and its socket is not: it is not that far yet
        return facts.RECEIVING if receiving(context, state_files, process) else facts.STARTING
    return facts.UNKNOWN       # out of connections, refused credentials: it lives, and does not say more


def receiving(context, state_files, process):
    """Whether a state transfer into this server is under way: its joiner script runs, or its log says IST."""
    for child in context.processes.descendants(process.pid):
        words = " ".join(child.argv)
        if "wsrep_sst_" in words and "joiner" in words:
            return True
    log = new_log(state_files, state_files.read(daemon.NOTE).get("log", ""))
    begun = max(log.rfind("Receiving IST: "), log.rfind("Prepared IST receiver"))
    return begun > max(log.rfind("IST received"), log.rfind("100.0% ("), log.rfind("Receiving IST...100.0%"))


def progress(context, process):
    """A number that grows while the server or its children read or write: bytes, by /proc/PID/io."""
    total = 0
    for one in [process] + context.processes.descendants(process.pid):
        try:
            with open("/proc/%d/io" % one.pid, encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith(("rchar", "wchar")))
        except (OSError, ValueError, IndexError):
            pass
    return total


def stalled_for(context, state_files, process):
    """Seconds since the server last read or wrote anything that was seen; keeps a note of it."""
    return state_files.elapsed("progress", context.clock, bytes=progress(context, process), pid=process.pid)


def listening(addresses, limit):
    """Names of those whose group communication port accepts a connection. addresses: name -> (host, port).

    A host that does not answer or does not resolve is not listening as far as can be told from here; the fencing of
    Pacemaker, not this, is the proof that a silent one is dead.
    """
    import select
    import socket as sockets
    from quorate.host.names import lookup
    waiting, found = {}, set()
    for name, (host, port) in addresses.items():
        try:
            family, kind, protocol, _, where = lookup(host, port, limit)[0]
            one = sockets.socket(family, kind, protocol)
            one.setblocking(False)
            one.connect_ex(where)
            waiting[one] = name
        except OSError:
            continue
    _, ready, _ = select.select([], list(waiting), [], limit) if waiting else ((), (), ())
    while ready:
        for one in ready:
            if one.getsockopt(sockets.SOL_SOCKET, sockets.SO_ERROR) == 0:
                found.add(waiting[one])
            waiting.pop(one)
            one.close()
        _, ready, _ = select.select([], list(waiting), [], 0.2) if waiting else ((), (), ())
    for one in waiting:
        one.close()
    return frozenset(found)


class Members(namedtuple("Members", "uuids names arbitrators")):
    """The view as the server has applied it. uuids: its members (not masked); names: masked UUID -> wsrep_node_name;
    arbitrators: masked UUIDs of garbd, which is a member without an address for clients."""

    __slots__ = ()


def members(context, state_files):
    """Members by mysql.wsrep_cluster_members; None when the server does not say."""
    from quorate.galera import facts
    from quorate.galera.server import credentials, sql
    rows = sql.rows(credentials.for_agent(context.parameters, socket(context, state_files)),
                    "SELECT node_uuid, node_name, node_incoming_address FROM mysql.wsrep_cluster_members",
                    context.deadline.limit(context.parameters.check_timeout))
    if not rows:
        return None
    return Members(tuple(uuid for uuid, _, _ in rows), {facts.mask(uuid): "".join(name.split()) for uuid, name, _ in rows},
                   frozenset(facts.mask(uuid) for uuid, _, address in rows if not address))
