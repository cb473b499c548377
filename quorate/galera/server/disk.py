# SPDX-License-Identifier: Apache-2.0
"""What is on this node's disk while no server runs on it: the part of a Report that the election weighs."""

import os
from collections import namedtuple

from quorate.galera import facts
from quorate.galera.server import parse
from quorate.galera.server.process import prepare_run_directories
from quorate.host.state_files import content, replace

RECOVER_MOST = 600   # seconds; InnoDB may have a long log to apply before it can tell the position
RECOVER_SHARE = 0.8  # of the time that is left, at most: what was found, or that nothing was, has to be told as well


class Position(namedtuple("Position", "uuid seqno source clean safe data my_uuid view arbitrators names "
                                        "settled recorded unreadable_view trouble broken", defaults=(False,))):
    """The fields of facts.Report of the same names; names: masked member UUID -> node name;
    settled: see facts.Report; recorded: see facts.Report; unreadable_view: a gvwstate.dat is there and is garbage;
    trouble: None, or a sentence about what could not be read; broken: a state transfer into it began and did not end."""

    __slots__ = ()


def position(context, state_files, layout):
    """Read grastate.dat, gvwstate.dat and, where they do not say it, InnoDB. Call it only when no server runs there.

    A view that was set aside for a start that came to nothing is put back first: it still is the last word.
    """
    restore_record(layout.datadir, state_files.kept("gvwstate.dat"), layout.user)
    my_uuid, view, arbitrators, names = last_view(state_files, layout.datadir)
    garbled = isinstance(parse.gvwstate(text(layout.datadir, "gvwstate.dat")), facts.Garbage) and not empty_view(layout.datadir)
    base = Position(facts.ZERO_UUID, -1, facts.NONE, False, None, False, my_uuid, view, arbitrators, names,
                    settled(state_files, view), recorded(layout.datadir, view), garbled, "gvwstate.dat cannot be understood; remove it if this node shall only join."
                    if garbled else None)
    if not has_database(layout.datadir):
        return base
    state = parse.grastate(text(layout.datadir, "grastate.dat"))
    state = None if isinstance(state, facts.Garbage) else state
    base = base._replace(safe=state.safe_to_bootstrap if state else None)
    if state and state.uuid != facts.ZERO_UUID and state.seqno >= 0:
        context.log.say("grastate.dat: left cleanly at %s:%d." % (state.uuid, state.seqno))
        return base._replace(uuid=state.uuid, seqno=state.seqno, source=facts.GRASTATE, clean=True, data=True)
    if broken_transfer(layout.datadir, state):
        # What a state transfer leaves half-way can look like a database with a position, and is none.
        return base._replace(broken=True, trouble="A state transfer into %s broke off; this node can only join." % layout.datadir)
    found, trouble = recover(context, state_files, layout)
    if found is None:
        return base._replace(uuid=None, seqno=None, data=None, trouble=trouble)
    context.log.say("Recovered position: %s:%d." % found)
    source = facts.NONE if found[0] == facts.ZERO_UUID else facts.RECOVERED
    return base._replace(uuid=found[0], seqno=found[1], source=source, data=True)


def recorded(datadir, view):
    """Whether gvwstate.dat itself holds this view."""
    found = parse.gvwstate(text(datadir, "gvwstate.dat"))
    return isinstance(found, facts.Gvwstate) and found.view == view


def settled(state_files, view):
    """Whether it was seen, while the server ran, that it had committed everything before the change to this view."""
    note = state_files.read("view", persistent=True)
    return view is not None and note.get("settled") == "%s:%d" % (view.uuid, view.seq)


def text(directory, name):
    """The content of a file of the data directory, None when it cannot be read."""
    try:
        return content(os.path.join(directory, name))
    except OSError:
        return None


def has_database(datadir):
    """Whether there is a database: InnoDB's system tablespace, or the system tables."""
    return os.path.exists(os.path.join(datadir, "ibdata1")) or os.path.isdir(os.path.join(datadir, "mysql"))


def broken_transfer(datadir, state):
    """Whether a state transfer into this directory did not end: its marker is there, or Galera had marked the state as
    unusable (UUID zero, and not the `safe_to_bootstrap: 1` of a server that was never in a cluster; saved_state.cpp)."""
    if os.path.exists(os.path.join(datadir, "sst_in_progress")):
        return True
    return state is not None and state.uuid == facts.ZERO_UUID and not state.safe_to_bootstrap


def last_view(state_files, datadir):
    """(my_uuid, View, arbitrators, names) of the last primary view: gvwstate.dat's, else the one we wrote down."""
    note = state_files.read("view", persistent=True)
    names = dict(pair.partition("=")[::2] for pair in note.get("names", "").split())
    arbitrators = frozenset(note.get("arbitrators", "").split())
    found = parse.gvwstate(text(datadir, "gvwstate.dat"))
    if isinstance(found, facts.Gvwstate):
        return found.my_uuid, found.view, arbitrators, names
    try:
        view = facts.View(note["uuid"], int(note["seq"]), frozenset(note["members"].split()))
        return note["my"], view, arbitrators, names
    except (KeyError, ValueError):
        return None, None, arbitrators, names


def remember_view(state_files, datadir, members=None):
    """Write down the view of gvwstate.dat, for the time when the server has removed it. Only what changed is written.

    members: what the server itself says of its members (serving.Members), None when it was not asked.
    """
    found = parse.gvwstate(text(datadir, "gvwstate.dat"))
    if not isinstance(found, facts.Gvwstate):
        return
    old = state_files.read("view", persistent=True)
    note = {"my": found.my_uuid, "uuid": found.view.uuid, "seq": str(found.view.seq),
            "members": " ".join(sorted(found.view.members)), "names": old.get("names", ""),
            "arbitrators": old.get("arbitrators", ""), "settled": old.get("settled", "")}
    if members is not None:
        note["names"] = " ".join("%s=%s" % item for item in sorted(members.names.items()))
        note["arbitrators"] = " ".join(sorted(members.arbitrators))
        if parse.settled(found.view, members.uuids):
            note["settled"] = "%s:%d" % (found.view.uuid, found.view.seq)
    if note != old:
        state_files.write("view", note, persistent=True)


def empty_view(datadir):
    """Whether there is a gvwstate.dat of no length."""
    try:
        return os.path.getsize(os.path.join(datadir, "gvwstate.dat")) == 0
    except OSError:
        return False


def remove_empty_view(datadir):
    """Remove an empty gvwstate.dat, on which the server would refuse to start (codership/galera#354)."""
    if empty_view(datadir):
        os.unlink(os.path.join(datadir, "gvwstate.dat"))


def restore_record(datadir, record, user):
    """Put back a gvwstate.dat: one that a server removed when it was stopped while it waited for a primary component, or
    that was set aside for a start. The server was never in a newer one, so it is still the last word on who may hold
    commits. record: its text, None for nothing to do."""
    import pwd
    path = os.path.join(datadir, "gvwstate.dat")
    if record and not os.path.exists(path) and os.path.isdir(datadir):
        account = pwd.getpwnam(user)
        replace(path, record, (account.pw_uid, account.pw_gid))


def remove_closed_log(datadir):
    """Remove a tc.log that holds nothing and on which the server would refuse to start ("Bad magic header in tc log").

    A server that closes it well changes the first byte of its mark to A and deletes it; where it may not delete (the
    directory belonged to somebody else at that time) the file stays. One that was killed before it wrote the mark leaves
    zeros (sql/log.cc, TC_LOG_MMAP). Any other content is a real log and stays.
    """
    path = os.path.join(datadir, "tc.log")
    try:
        with open(path, "rb") as file:
            mark = file.read(4)
    except OSError:
        return
    if mark in (b"A\x23\x05\x74", b"\0\0\0\0", b""):
        os.unlink(path)


def recover(context, state_files, layout):
    """((uuid, seqno), None) as InnoDB has it, or (None, sentence). Runs the server with --wsrep-recover."""
    remove_closed_log(layout.datadir)
    log, result = _recover_once(context, state_files, layout, [])
    found = parse.recovered_position(log)
    if found is None and parse.prepared_xa(log):
        # Prepared, never committed anywhere that matters: what the group committed is committed here or on its way in
        # the writesets. Heuristic rollback is what MariaDB asks for, and Galera replays what the node lacks.
        context.log.warning("Rolling back %d prepared XA transactions to recover the position." % parse.prepared_xa(log))
        _recover_once(context, state_files, layout, ["--tc-heuristic-recover=rollback"])
        log, result = _recover_once(context, state_files, layout, [])
        found = parse.recovered_position(log)
    if found is not None:
        return found, None
    if result.timed_out:
        return None, "InnoDB recovery did not end in time; see the error log."
    return None, "The position could not be recovered: %s" % (parse.last_error(log + result.err)
                                                               or "the server said nothing (code %s)" % result.rc)


def _recover_once(context, state_files, layout, options):
    import pwd
    account = pwd.getpwnam(layout.user)
    prepare_run_directories(layout)
    os.makedirs(state_files.run, 0o755, exist_ok=True)
    path = state_files.path("recover.log")
    replace(path, "", (account.pw_uid, account.pw_gid))
    result = context.commands.run(
        layout.base() + ["--wsrep-recover", "--wsrep_cluster_address=gcomm://", "--skip-networking", "--log-error=" + path,
                         "--pid-file=%s.recover" % layout.pid, "--socket=%s.recover" % layout.socket] + options,
        min(RECOVER_MOST, context.deadline.left() * RECOVER_SHARE))
    return text(state_files.run, "recover.log") or "", result


def allow_bootstrap(layout):
    """Set safe_to_bootstrap in grastate.dat, which the server asks for before it bootstraps. Keeps everything else."""
    path = os.path.join(layout.datadir, "grastate.dat")
    old = text(layout.datadir, "grastate.dat")
    new = None if old is None else parse.with_safe(old)
    if new is not None and new != old:
        status = os.stat(path)
        replace(path, new, (status.st_uid, status.st_gid))
