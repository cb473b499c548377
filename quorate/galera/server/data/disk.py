# SPDX-License-Identifier: Apache-2.0
"""The files of this node's data directory while no server runs on it: reading them into a Report, changing what a start
needs.

Sources: grastate.dat, gvwstate.dat, `mysqld --wsrep-recover`, and what the agent itself wrote down while a server ran.
"""

import os

from quorate.galera import facts
from quorate.galera.server import parse
from quorate.galera.server.data import identity
from quorate.galera.server.data.recovery import recover
from quorate.host.state_files import content, replace
from quorate.ocf import codes
from quorate.ocf.codes import Failed

CREATE_MOST = 120    # seconds; making the system tables


# Reading

def read_report(context, state_files, layout):
    """(Report, problem) by grastate.dat, gvwstate.dat and, where they do not say it, InnoDB. No server may run there.

    Report: what only the participant knows is not set (node, since, survivor, and generation, except 0 where a
    state transfer into this node broke off: the donor has all that it had, so nothing was lost). problem: None, or a
    sentence about what could not be read.

    A view that was set aside for a start that came to nothing is restored first: it still is the last proof.
    """
    problem = None
    try:
        restore_view(layout.datadir, state_files.kept("gvwstate.dat"), layout.user)
    except OSError as error:
        problem = "gvwstate.dat in %s cannot be restored: %s." % (layout.datadir, error.strerror)
    my_uuid, view, arbitrators, _ = last_view(state_files, layout.datadir)
    unreadable = (isinstance(parse.gvwstate(text(layout.datadir, "gvwstate.dat")), facts.Garbage)
                  and not is_view_empty(layout.datadir))
    report = facts.Report(
        None, state=facts.UNKNOWN if unreadable else facts.DOWN, uuid=facts.ZERO_UUID, seqno=-1, source=facts.NONE,
        clean=False, safe=None, data=False, my_uuid=my_uuid, view=view, arbitrators=arbitrators,
        settled=settled(state_files, view), recorded=recorded(layout.datadir, view))
    if unreadable:
        problem = "gvwstate.dat is damaged; remove it if this node shall only join."
    state = parse.grastate(text(layout.datadir, "grastate.dat"))
    state = None if isinstance(state, facts.Garbage) else state
    if state is None or state.uuid == facts.ZERO_UUID or state.seqno < 0:
        # Before the question whether there is a database: mariabackup receives into a directory of its own, and what a
        # transfer leaves half-way can also look like a database with a position.
        if transfer_broke_off(layout.datadir, state):
            return (report._replace(generation=0, safe=state.safe_to_bootstrap if state else None),
                    "A state transfer into %s broke off; this node can only join." % layout.datadir)
    if not has_database(layout.datadir):
        return report, problem
    report = report._replace(safe=state.safe_to_bootstrap if state else None)
    other = identity.problem(state_files, layout.datadir)
    if other:
        return report._replace(uuid=None, seqno=None, source=None, clean=None, safe=None, data=None), other
    if state and state.uuid != facts.ZERO_UUID and state.seqno >= 0:
        context.log.say("grastate.dat: stopped cleanly at %s:%d." % (state.uuid, state.seqno))
        uuid, seqno = before_the_undone(state_files, (state.uuid, state.seqno))
        return report._replace(uuid=uuid, seqno=seqno, source=facts.GRASTATE, clean=True, data=True,
                               tried=seqno != state.seqno), problem
    position, error = recover(context, state_files, layout)
    before = before_the_undone(state_files, position)
    if before is None:
        return report._replace(uuid=None, seqno=None, data=None), error
    context.log.say("Recovered position: %s:%d." % position if position else
                    "%s Before the bootstrap that came to nothing it was %s:%d." % (error, *before))
    source = facts.NONE if before[0] == facts.ZERO_UUID else facts.RECOVERED
    return (report._replace(uuid=before[0], seqno=before[1], source=source, data=True, tried=before != position),
            problem if position else error)


def needs_recovery(datadir):
    """Whether only InnoDB can tell the position: there is a database, and it was not left cleanly."""
    state = parse.grastate(text(datadir, "grastate.dat"))
    clean = isinstance(state, facts.Grastate) and state.uuid != facts.ZERO_UUID and state.seqno >= 0
    return has_database(datadir) and not clean


def before_the_undone(state_files, position):
    """The position to report for (uuid, seqno), None: it cannot be found out: see parse.reported_position(). One that
    differs keeps the node out of a view that Galera would re-form (`tried`): its seqno would stand there for something
    that the others do not have."""
    opening = state_files.read("opening", persistent=True)
    before, most = facts.integer(opening.get("seqno")), facts.integer(opening.get("most"))
    if opening.get("undone") != "1" or None in (before, most):
        return position
    return parse.reported_position(position, (opening.get("uuid"), before), most)


def true_position(context, state_files, layout, report):
    """The Report with the position that the disk really has: what is reported may be that before an undone bootstrap.
    The server has to be started with the real one. Raises Failed when it cannot be found out."""
    if state_files.read("opening", persistent=True).get("undone") != "1":
        return report
    state = parse.grastate(text(layout.datadir, "grastate.dat"))
    if isinstance(state, facts.Grastate) and state.uuid != facts.ZERO_UUID and state.seqno >= 0:
        return report._replace(uuid=state.uuid, seqno=state.seqno, source=facts.GRASTATE)
    position, error = recover(context, state_files, layout)
    if position is None:
        raise Failed(codes.ERR_GENERIC, error)
    return report._replace(uuid=position[0], seqno=position[1], source=facts.RECOVERED)


def recorded(datadir, view):
    """Whether gvwstate.dat itself holds this view."""
    found = parse.gvwstate(text(datadir, "gvwstate.dat"))
    return isinstance(found, facts.Gvwstate) and found.view == view


def settled(state_files, view):
    """Whether the server was observed to have committed everything before the change to this view."""
    remembered = state_files.read("view", persistent=True)
    return view is not None and remembered.get("settled") == "%s:%d" % (view.uuid, view.seq)


def text(directory, name):
    """The content of a file of the data directory, None when it cannot be read."""
    try:
        return content(os.path.join(directory, name))
    except OSError:
        return None


def has_database(datadir):
    """Whether there is a database: InnoDB's system tablespace, or the system tables."""
    return os.path.exists(os.path.join(datadir, "ibdata1")) or os.path.isdir(os.path.join(datadir, "mysql"))


def transfer_broke_off(datadir, state):
    """Whether a state transfer into this directory did not end: its marker is there, or Galera had marked the state as
    unusable (UUID zero, and not the `safe_to_bootstrap: 1` of a server that was never in a cluster; saved_state.cpp).
    state: Grastate or None."""
    if os.path.exists(os.path.join(datadir, "sst_in_progress")):
        return True
    return state is not None and state.uuid == facts.ZERO_UUID and not state.safe_to_bootstrap


def last_view(state_files, datadir):
    """(my_uuid, View, arbitrators, names) of the last primary view: gvwstate.dat's, else the remembered one. names:
    dict masked member UUID -> node name."""
    remembered = state_files.read("view", persistent=True)
    names = dict(pair.partition("=")[::2] for pair in remembered.get("names", "").split())
    arbitrators = frozenset(remembered.get("arbitrators", "").split())
    found = parse.gvwstate(text(datadir, "gvwstate.dat"))
    if isinstance(found, facts.Gvwstate):
        return found.my_uuid, found.view, arbitrators, names
    try:
        view = facts.View(remembered["uuid"], int(remembered["seq"]), frozenset(remembered["members"].split()))
        return remembered["my"], view, arbitrators, names
    except (KeyError, ValueError):
        return None, None, arbitrators, names


def delivered_view(datadir):
    """The View of gvwstate.dat, None where there is none."""
    found = parse.gvwstate(text(datadir, "gvwstate.dat"))
    return found.view if isinstance(found, facts.Gvwstate) else None


def remember_view(state_files, datadir, members=None, applied=None):
    """Write down the view of gvwstate.dat, for the time when the server has removed it. Writes only when it changed.

    members: what the server itself says of its members (observe.Members), None when it was not asked; applied: the View
    that was delivered before it was asked for them with sync_wait, None where it was asked without.
    """
    found = parse.gvwstate(text(datadir, "gvwstate.dat"))
    if not isinstance(found, facts.Gvwstate):
        return
    old = state_files.read("view", persistent=True)
    remembered = {"my": found.my_uuid, "uuid": found.view.uuid, "seq": str(found.view.seq),
                  "members": " ".join(sorted(found.view.members)), "names": old.get("names", ""),
                  "arbitrators": old.get("arbitrators", ""), "settled": old.get("settled", "")}
    if members is not None:
        remembered["names"] = " ".join("%s=%s" % item for item in sorted(members.names.items()))
        remembered["arbitrators"] = " ".join(sorted(members.arbitrators))
        if parse.settled(applied, members.uuids):
            remembered["settled"] = "%s:%d" % (applied.uuid, applied.seq)
    if remembered != old:
        state_files.write("view", remembered, persistent=True)


def is_view_empty(datadir):
    """Whether there is a gvwstate.dat of no length."""
    try:
        return os.path.getsize(os.path.join(datadir, "gvwstate.dat")) == 0
    except OSError:
        return False


def remove_empty_view(datadir):
    """Remove an empty gvwstate.dat, on which the server would refuse to start (codership/galera#354)."""
    if is_view_empty(datadir):
        os.unlink(os.path.join(datadir, "gvwstate.dat"))


def restore_view(datadir, saved, user):
    """Restore a gvwstate.dat that a server removed when it was stopped while it waited for a primary component, or that
    was set aside for a start. The server was never in a newer view, so it still says who may hold commits. saved: the
    text of the file, None: nothing to restore."""
    import pwd
    path = os.path.join(datadir, "gvwstate.dat")
    if saved and not os.path.exists(path) and os.path.isdir(datadir):
        # The group is the user's own, as the server makes it.
        account = pwd.getpwnam(user)
        replace(path, saved, (account.pw_uid, account.pw_gid))


def create_database(context, layout):
    """Make the system tables for the first cluster ever, if the operator allows it. Raises Failed."""
    if not context.parameters.enable_creation:
        raise Failed(codes.ERR_INSTALLED, "There is no database in %s. Create one there (mariadb-install-db --user=%s "
                     "--datadir=%s), or set enable_creation=true." % (layout.datadir, layout.user, layout.datadir))
    from shutil import which
    from quorate.galera.server.settings import command_line
    from quorate.galera.server.settings.layout import account
    argv, broken = command_line.install_db(layout)
    if broken and which(argv[0]):
        raise Failed(codes.ERR_CONFIGURED, "%s cannot pass on '%s' of additional_parameters: put it into the server's "
                     "configuration file." % (argv[0], broken[0]))
    os.makedirs(layout.datadir, 0o750, exist_ok=True)
    os.chown(layout.datadir, *account(layout.user, layout.group))
    result = context.commands.run(argv, context.deadline.limit(CREATE_MOST))
    if result.rc == 127:  # MySQL and Percona have no such program; the server does it
        result = context.commands.run(command_line.initialize(layout), context.deadline.limit(CREATE_MOST))
    if not result.ok:
        from quorate.galera.server.log import causes
        raise Failed(codes.ERR_GENERIC, "The database could not be created: %s" % (
            causes.sentence(result.err + result.out, layout) or "code %s" % result.rc))


def set_safe(datadir, safe):
    """Set safe_to_bootstrap in grastate.dat, if there is one; without it the server refuses to bootstrap. Keeps everything
    else."""
    path = os.path.join(datadir, "grastate.dat")
    old = text(datadir, "grastate.dat")
    new = None if old is None else parse.with_safe(old, safe)
    if new is not None and new != old:
        status = os.stat(path)
        replace(path, new, (status.st_uid, status.st_gid))
