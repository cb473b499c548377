# SPDX-License-Identifier: Apache-2.0
"""Which positions are changes of the view and not transactions, by the server's own log.

Galera 4 counts a change of the view like a transaction (galera 26.4 gcs_group.cpp, gcs_group_act_conf: from version 1 of
its protocol on). So of nodes that stop one after the other the last one is ahead of the others, although nothing was
committed since, and that of two positions the higher one holds more is true of transactions only.

    keep()       once the server is gone, while its log and the record of its launch are there
    written()    with every report of this disk

The state file "changes" (persistent) is of one run of the server. It is removed when a later one takes part in a primary
component, which may be of another history in which a transaction has the same number.
"""

from quorate.galera import facts
from quorate.galera.server.process import new_log
from quorate.host import daemon

KEPT = 32  # changes; a report needs those at its end


def changes(log):
    """(state UUID, sorted list of seqnos) of the changes of the view that a server's log shows; (None, []) where it shows
    none, or where it does not show, before the view, that they take a seqno.

    A primary view is logged with the seqno that its change took, also one of which the server learns by IST. The leave of
    the last member is a change, too: it is logged as the final view. A server that leaves others behind logs the position
    as it was, since it is in no primary component any more when it closes: "Shifting OPEN -> CLOSED", not SYNCED.
    """
    uuid, found, before, closed, counts = None, set(), None, None, False
    lines = iter(log.splitlines())
    for line in lines:
        words = line.split()
        if " as process " in line:  # another server was started since, and what it has done counts
            uuid, found, before, closed, counts = None, set(), None, None, False
        elif line.startswith("\tprotocols ") and "(gcs/" in line:
            counts = bool(facts.integer(line.partition("=")[2].partition("/")[0]))
            if not counts:  # 0, or it is not understood
                return None, []
        elif "WSREP: Shifting " in line and " -> CLOSED (TO: " in line:
            closed = None if " OPEN -> CLOSED" in line else facts.integer(line.rpartition(" ")[2].rstrip(")"))
        elif words == ["View:"]:
            state, seqno, view = _view(lines)
            if state is None:  # its end is missing
                break
            if state != uuid:
                uuid, found, before = state, set(), None
            last = view == ("non-primary", "yes", 0) and before == ("primary", "no", 1) and seqno == closed
            if counts and (view[0] == "primary" or last):
                found.add(seqno)
            before = view
    return (uuid, sorted(found)[-KEPT:]) if found else (None, [])


def _view(lines):
    """(state UUID, seqno, (status, final, number of members)) of a view in the log, (None, None, None) where it is not
    complete."""
    values, count = {}, 0
    for line in lines:
        key, _, value = line.strip().partition(": ")
        if key.startswith("===="):
            break
        count += key.isdigit()
        values[key] = value
    else:
        return None, None, None
    state, _, seqno = values.get("id", "").rpartition(":")
    state, seqno = facts.uuid(state), facts.integer(seqno)
    if state is None or seqno is None or "status" not in values or "final" not in values:
        return None, None, None
    return state, seqno, (values["status"], values["final"], count)


def keep(state_files):
    """Keep what the log of the server that is gone shows. A server that was in no primary component has changed nothing."""
    log = state_files.read(daemon.PROCESS_FILE).get("log") or state_files.read("launched-from").get("log")
    uuid, seqnos = changes(new_log(state_files, log)) if log else (None, [])
    if uuid is None:
        return
    forget(state_files)
    try:
        state_files.write("changes", {"uuid": uuid, "seqnos": " ".join("%d" % one for one in seqnos)}, persistent=True)
    except OSError:  # a full /var: the node counts as if all of it were transactions
        pass


def forget(state_files):
    """A later run of the server makes void what is kept of an earlier one."""
    state_files.discard("changes")


def written(state_files, uuid, seqno):
    """The highest seqno, up to this position, that a transaction may have: of facts.Report. None: there is no position."""
    if seqno is None or seqno < 0:
        return None
    kept = state_files.read("changes", persistent=True)
    if kept.get("uuid") == uuid:
        seqnos = kept.get("seqnos", "").split()
        while "%d" % seqno in seqnos:
            seqno -= 1
    return seqno
