# SPDX-License-Identifier: Apache-2.0
"""What this node's server does at this moment: by its processes, its own answers, and what its data directory shows."""

import os
from collections import namedtuple

from quorate.errors import Unreadable
from quorate.galera import facts
from quorate.host import daemon

DATADIR = "/var/lib/mysql"
ENDING_PATIENCE = 5  # seconds that a monitor waits for the end of a server that was killed a moment ago
SOCKETS = ("/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/var/run/mysqld/mysqld.sock")


class Observation(namedtuple("Observation", "state process status sentence")):
    """state: of facts; process: the server or None; status: ServerStatus or None; sentence: for the operator."""

    __slots__ = ()


def data_directory(context, state_files):
    """The data directory, without asking the server: stop must work with the software removed."""
    return (context.parameters.datadir or state_files.read(daemon.PROCESS_FILE).get("datadir")
            or state_files.read("layout").get("datadir") or _configured_datadir(context) or DATADIR)


def _configured_datadir(context):
    from quorate.galera.server.settings.layout import find_layout
    from quorate.ocf.codes import Failed
    try:
        return find_layout(context).datadir
    except Failed:
        return None


def base_port(state_files):
    """The port at which Galera of this node asks those whose entry in wsrep_cluster_address has none: as the server said it
    at start and promote, else Galera's default."""
    from quorate.galera.server.settings.address import GCOMM_PORT
    return int(state_files.number("layout", "base_port") or GCOMM_PORT)


def find_socket(context, state_files):
    """Path of the server's socket."""
    known = (context.parameters.socket or state_files.read(daemon.PROCESS_FILE).get("socket")
             or state_files.read("layout").get("socket"))
    return known or next((path for path in SOCKETS if os.path.exists(path)), SOCKETS[0])


def observe(context, state_files):
    """The Observation of this node's server, by its process first and then by its own answer."""
    process = daemon.launched_process(context, state_files)
    if process is None:
        from quorate.galera.server.process import find
        process = find(context, state_files, data_directory(context, state_files))
    if process is not None and daemon.is_ending(process):
        # While it ends it accepts no connection, which looks like a server that starts; wait until it is gone.
        context.deadline.poll(lambda: context.processes.gone(process), up_to=ENDING_PATIENCE)
        if not context.processes.gone(process):
            return Observation(facts.HUNG, process, None, "mysqld (pid %d) was killed and does not end (state %s)." % (
                process.pid, process.state))
        process = None
    if process is None:
        return Observation(facts.DOWN, None, None, "No database server runs on this node.")
    if process.state in "Tt":
        # It can answer no question; asking would only cost the time limit.
        return Observation(facts.HUNG, process, None, "mysqld (pid %d) is stopped by a signal (SIGSTOP)." % process.pid)
    return observe_process(context, state_files, process)


def observe_process(context, state_files, process):
    """The Observation of a running server, by its own answer."""
    from quorate.galera.server import credentials, sql
    from quorate.galera.server.health import Policy, classify
    try:
        settings = credentials.for_agent(context.parameters, find_socket(context, state_files))
        limit = context.parameters.check_timeout
        status = sql.ask(settings, context.deadline.limit(limit))
        found = classify(status, Policy())
        if found.code == "hung" and not context.deadline.expired:
            status = sql.ask(settings, context.deadline.limit(limit))  # one slow answer does not mean that it hangs
            found = classify(status, Policy())
    except Unreadable as error:  # it runs, and we cannot log in to ask it
        return Observation(facts.UNKNOWN, process, facts.ServerStatus(answered=False, error=error.reason), error.reason)
    return Observation(state_of(state_files, context.processes, process, status, found), process, status,
                       found.sentence)


def state_of(state_files, processes, process, status, found):
    """The state, of facts, for a ServerStatus and its Health."""
    if status.answered:
        if status.cluster_status != "Primary":
            return facts.NONPRIMARY
        return {4: facts.SYNCED, 2: facts.DONOR}.get(status.local_state, facts.JOINED)
    if found.code == "hung":
        return facts.HUNG
    if found.code == "non-primary":
        return facts.NONPRIMARY
    if found.code == "down":   # the process exists and its socket does not: it has not come that far yet
        return facts.RECEIVING if is_receiving(state_files, processes, process) else facts.STARTING
    return facts.UNKNOWN       # out of connections, refused credentials: it runs, and says no more


def is_receiving(state_files, processes, process):
    """Whether a state transfer into this server is under way: its joiner script runs, or its log says IST."""
    for child in processes.descendants(process.pid):
        words = " ".join(child.argv)
        if "wsrep_sst_" in words and "joiner" in words:
            return True
    from quorate.galera.server.process import new_log
    log = new_log(state_files, state_files.read(daemon.PROCESS_FILE).get("log", ""))
    begun = max(log.rfind("Receiving IST: "), log.rfind("Prepared IST receiver"))
    return begun > max(log.rfind("IST received"), log.rfind("100.0% ("), log.rfind("Receiving IST...100.0%"))


def left_synced(state_files):
    """Whether the server's log says that it was synced, or a donor, in the primary component that it lost, and has been in
    none since: it holds, in memory at least, all that was delivered to the group before the view that gvwstate.dat shows.
    False where the log does not tell. Read the view first: a newer one is in the log before it is on the disk.

    Source: galera 26.4 gcs.cpp ("Shifting SYNCED -> OPEN"), gcomm pc_proto.cpp, deliver_view ("view(view_id(PRIM,").
    """
    from quorate.galera.server.process import new_log
    log = new_log(state_files, state_files.read(daemon.PROCESS_FILE).get("log", ""))
    before, shifted, since = log.rpartition(" -> OPEN (TO: ")
    return bool(shifted) and before.endswith(("Shifting SYNCED", "Shifting DONOR/DESYNCED")) and not (
        "Shifting " in since or "view_id(PRIM," in since)


def transferred_bytes(processes, process):
    """Bytes that the server and its children have read and written so far, by /proc/PID/io."""
    total = 0
    for one in [process] + processes.descendants(process.pid):
        try:
            with open("/proc/%d/io" % one.pid, encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith(("rchar", "wchar")))
        except (OSError, ValueError, IndexError):
            pass
    return total


def stalled_for(context, state_files, process):
    """Monotonic seconds since the server was last observed to read or write anything; kept in the state file
    "progress"."""
    return state_files.elapsed("progress", context.clock, bytes=transferred_bytes(context.processes, process),
                               pid=process.pid)


def listening(addresses, limit):
    """Names of the nodes whose group communication port accepts a connection, at any address that the host has.

    addresses: name -> (host, port); limit: s. A host that refuses, does not answer, has no route or does not resolve is
    not listening as far as can be told from here: a node without power gives 'no route to host' as well, and nothing
    could ever be bootstrapped without it. That a silent one is dead is proven by Pacemaker's fencing, not by this.
    """
    import select
    from errno import EINPROGRESS
    from socket import SO_ERROR, SOL_SOCKET, socket
    from quorate.host.names import lookup
    waiting, found = {}, set()
    for name, (host, port) in addresses.items():
        try:
            candidates = lookup(host, port, limit)
        except OSError:
            continue
        for family, kind, protocol, _, address in candidates:
            try:
                connection = socket(family, kind, protocol)
            except OSError:  # a machine without IPv6
                continue
            connection.setblocking(False)
            error = connection.connect_ex(address)
            if error in (0, EINPROGRESS):
                waiting[connection] = name
            else:  # at once: refused, or no route; asked again, the socket would not tell that any more
                connection.close()
    _, ready, _ = select.select([], list(waiting), [], limit) if waiting else ((), (), ())
    while ready:
        for connection in ready:
            if connection.getsockopt(SOL_SOCKET, SO_ERROR) == 0:
                found.add(waiting[connection])
            waiting.pop(connection)
            connection.close()
        _, ready, _ = select.select([], list(waiting), [], 0.2) if waiting else ((), (), ())
    for connection in waiting:
        connection.close()
    return frozenset(found)


class Members(namedtuple("Members", "uuids names arbitrators")):
    """The view as the server has applied it. uuids: its members (not masked); names: masked UUID -> wsrep_node_name;
    arbitrators: masked UUIDs of garbd, which is a member without an address for clients."""

    __slots__ = ()


def members(context, state_files, sync_wait=False):
    """Members by mysql.wsrep_cluster_members; None when the server does not say.

    sync_wait: only once the server has applied all that was delivered to it before the question, changes of view and
    commits; None when it does not get there within `check_timeout`.
    """
    from quorate.galera.server import credentials, sql
    rows = sql.rows(credentials.for_agent(context.parameters, find_socket(context, state_files)),
                    "SELECT node_uuid, node_name, node_incoming_address FROM mysql.wsrep_cluster_members",
                    context.deadline.limit(context.parameters.check_timeout), sync_wait)
    if not rows:
        return None
    return Members(tuple(uuid for uuid, _, _ in rows),
                   {facts.mask(uuid): "".join(name.split()) for uuid, name, _ in rows},
                   frozenset(facts.mask(uuid) for uuid, _, address in rows if not address))
