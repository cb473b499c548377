# SPDX-License-Identifier: Apache-2.0
"""A promotion carried out: what must be on record first, the launch of the server, and the wait while that helps.

The monitor of a server that is up and does not serve: it joins, recovers, bootstraps, or waits in vain.
"""

import os

from quorate.galera import facts
from quorate.galera.actions.participant import URGENT_AFTER, unpublished
from quorate.galera.election.decide import keeps_view, needs_full_transfer, opening
from quorate.galera.election.published import encode_report
from quorate.host.state_files import StateFiles
from quorate.galera.server import observe, parse, process
from quorate.galera.server.disk import allow_bootstrap, remove_closed_log, remove_empty_view
from quorate.galera.server.process import find, last_words
from quorate.host import daemon
from quorate.ocf import codes
from quorate.ocf.codes import Failed, Outcome
from quorate.pacemaker.tools import this_node

JOIN_PATIENCE = 2    # seconds promote waits for a joiner; longer would keep Pacemaker from starting those it waits for:
#                      under load it promotes one after the other (its throttling), and a death is dealt with after that
PRIMARY_PATIENCE = 30  # ... when the server of a member of the primary component was heard
SYNC_PATIENCE = 30   # ... once something is being received, so that most joins end within promote


def start(context):
    """Find out what is on the disk, tell the others, run nothing: promote does that."""
    from quorate.galera.server.layout import find_layout, layout_problems
    from quorate.galera.actions.participant import Participant
    state_files = StateFiles("galera", context.instance)
    layout = find_layout(context)
    found = layout_problems(layout)
    if found:
        return Outcome(codes.ERR_INSTALLED, found[0])
    state_files.write("layout", {"datadir": layout.datadir, "socket": layout.socket})
    process = find(context, state_files, layout.datadir)
    if process is None:
        Participant(context, state_files).begin(layout)
        state_files.write("started", {"at": int(context.clock.now())})
        return Outcome(codes.SUCCESS)
    return Outcome(codes.ERR_GENERIC, "A database server that the cluster did not start runs on %s (pid %d). If systemd "
                   "started it: systemctl disable --now mariadb" % (layout.datadir, process.pid))


def promote(context):
    """Decide again with what is known now, then bootstrap, recover or join; or step back when it is not our turn."""
    from quorate.galera.server.layout import find_layout, layout_problems
    from quorate.galera.actions.participant import Participant
    state_files = StateFiles("galera", context.instance)
    layout = find_layout(context)
    found = layout_problems(layout)
    if found:
        return Outcome(codes.ERR_INSTALLED, found[0])
    participant = Participant(context, state_files)
    process = find(context, state_files, layout.datadir)
    if process is None:
        turn = participant.turn(layout)
        if turn is None:
            return Outcome(codes.SUCCESS)  # the score is gone, so the cluster demotes us; a failure it is not
        try:
            process = carry_out(participant, *turn, layout)
        except Exception:
            # Nothing runs, so nobody shall wait for us: the report goes back to what is on the disk.
            if find(context, state_files, layout.datadir) is None:
                participant.report_position(layout)
            raise
    try:
        return accompany(participant, process, layout)
    except Exception as trouble:
        return unpublished(context, None, trouble)  # a promote that succeeded; the monitor watches over the rest


def carry_out(participant, decision, snapshot, layout):
    """Launch the server as was decided on this snapshot. Returns its Process."""
    own = participant.own_report()
    remove_empty_view(layout.datadir)
    remove_closed_log(layout.datadir)
    options = ["--wsrep_cluster_address=" + participant.context.parameters.wsrep_cluster_address]
    options += (participant.context.parameters.additional_parameters or "").split()
    full = False
    if decision.action == facts.BOOTSTRAP:
        options.append("--wsrep-new-cluster")
        _prepare_bootstrap(participant, decision, snapshot, layout)
    else:
        full = _set_aside(participant, own, decision, snapshot, layout)
    if own.source == facts.RECOVERED and not full:
        # Without it a primary component can form whose state UUID is zero in every grastate.dat.
        options.append("--wsrep_start_position=%s:%d" % (own.uuid, own.seqno))
    participant.context.log.info("%s: %s" % (decision.action, decision.reason))
    participant.state_files.write("launched-from", {"report": encode_report(own), "action": decision.action})
    for note in ("position", "waiting", "progress", "survivor", "offered") + (
            ("tried",) if decision.action == facts.BOOTSTRAP else ()):
        participant.state_files.forget(note)
    participant.publish_state(facts.STARTING)
    participant.published.set_status("starts")
    return process.launch(participant.context, participant.state_files, layout, options)


def _prepare_bootstrap(participant, decision, snapshot, layout):
    """Everything that must be on record before a new primary component can accept its first commit.

    Killed between the two writes, nobody may vote any more and the operator is asked; the other way round a node
    would be ahead of the cluster's own record, which looks like a configuration that was put back.
    """
    from quorate.galera.server.disk import has_database
    if not has_database(layout.datadir):
        create_database(participant.context, layout)
    begins = opening(snapshot, this_node(participant.context))
    participant.published.open_generation(begins)
    participant.published.synced_in(begins[0])
    override = participant.published.override()
    if override is not None:
        participant.context.log.warning("The operator's word was carried out: %s, by %s." % (decision.reason, override.by))
        participant.published.set_override(None)
    allow_bootstrap(layout)


def _set_aside(participant, own, decision, snapshot, layout):
    """Put away what this node must not start with: an old view that must not be re-formed, and a position beyond that
    at which a later generation began (an incremental transfer would put new commits on top of commits that were
    given up). Returns whether the position went, so that a full transfer follows."""
    full = own.generation != participant.published.generation() and needs_full_transfer(own, participant.published.openings())
    kept = keeps_view(snapshot, this_node(participant.context), decision, _heard_primary(participant))
    for name, goes in (("gvwstate.dat", not kept), ("grastate.dat", full)):
        path = os.path.join(layout.datadir, name)
        if goes and os.path.exists(path):
            participant.context.log.info("%s is set aside in %s before this node joins."
                                         % (path, participant.state_files.persistent))
            participant.state_files.keep(path)
            os.unlink(path)
    return full


def accompany(participant, process, layout):
    """Wait for the launched server as long as that helps; the monitor watches over the rest. promote's Outcome."""
    began = participant.context.clock.monotonic()
    told = None
    bootstraps = participant.bootstraps()
    starting, asked = PRIMARY_PATIENCE if bootstraps or _heard_primary(participant) else JOIN_PATIENCE, began
    while True:
        if participant.context.processes.gone(process):
            words = last_words(participant.state_files, layout)
            participant.state_files.forget(daemon.NOTE)
            return Outcome(codes.ERR_GENERIC, "The database server ended while it started: %s" % words)
        observed = observe.ask(participant.context, participant.state_files, process)
        if observed.state != told:
            participant.context.log.say("%s State: %s." % (observed.sentence, observed.state))
            told = observed.state
            if observed.state in facts.IN_PRIMARY or observed.state == facts.RECEIVING:
                participant.publish_state(observed.state)
        if observed.state == facts.SYNCED:
            from quorate.galera.actions.serving import keep_record
            keep_record(participant.context, participant.state_files, observed, participant)
            return Outcome(codes.SUCCESS)
        patience = SYNC_PATIENCE if observed.state in facts.IN_PRIMARY or observed.state == facts.RECEIVING else starting
        # One that lost the primary component while it joined waits for the same as one that has not found it yet.
        hoped = observed.state in (facts.STARTING, facts.NONPRIMARY) and patience > JOIN_PATIENCE and not bootstraps
        if hoped and participant.context.clock.monotonic() - asked > JOIN_PATIENCE:
            asked = participant.context.clock.monotonic()  # those that it joins may have died since
            starting = patience = PRIMARY_PATIENCE if _heard_primary(participant) else JOIN_PATIENCE
        if participant.context.deadline.expired or participant.context.clock.monotonic() - began > patience:
            participant.published.set_status(progress(participant, observed))
            return Outcome(codes.SUCCESS)
        participant.context.clock.sleep(0.2)


def _heard_primary(participant):
    """Names of the nodes that report to be in the primary component and whose server accepts group communication: their
    reports are not a dead server's last word, and a join will not take long."""
    snapshot = participant.snapshot()
    there = {name: where for name, where in participant.addresses.items() if name != snapshot.me
             and name in snapshot.reports and snapshot.reports[name].state in facts.IN_PRIMARY}
    return observe.listening(there, 1.0) if there else frozenset()


def create_database(context, layout):
    """Make the system tables for the first cluster ever, if the operator allows it. Raises Failed."""
    if not context.parameters.enable_creation:
        raise Failed(codes.ERR_INSTALLED, "There is no database in %s. Create one there (mariadb-install-db --user=%s "
                     "--datadir=%s), or set enable_creation=true." % (layout.datadir, layout.user, layout.datadir))
    import pwd
    account = pwd.getpwnam(layout.user)
    os.makedirs(layout.datadir, 0o750, exist_ok=True)
    os.chown(layout.datadir, account.pw_uid, account.pw_gid)
    defaults = ["--defaults-file=" + layout.config] if layout.config else []
    result = context.commands.run(
        ["mariadb-install-db"] + defaults + ["--user=" + layout.user, "--datadir=" + layout.datadir, "--skip-test-db",
                                       "--wsrep_on=OFF"],
        context.deadline.limit(120))
    if result.rc == 127:  # MySQL and Percona have no such program; the server does it
        result = context.commands.run(layout.base() + ["--initialize-insecure"], context.deadline.limit(120))
    if not result.ok:
        raise Failed(codes.ERR_GENERIC, "The database could not be created in %s: %s" % (
            layout.datadir, parse.last_error(result.err + result.out) or "code %s" % result.rc))


def progress(participant, observed):
    """What a server that does not serve yet is about, in a sentence that changes only when the matter does."""
    if observed.state == facts.RECEIVING:
        return "receives a state transfer; HAProxy does not use it until it is synced"
    if observed.state == facts.STARTING and participant.bootstraps():
        return "starts as the first of a new primary component"
    if observed.state == facts.STARTING:
        missing = absent(participant.snapshot())
        return "starts, and waits for a primary component" + (": %s not there" % ", ".join(missing) if missing else "")
    if observed.state == facts.NONPRIMARY:
        missing = absent(participant.snapshot())
        return "lives, and is not in a primary component" + (": %s not there" % ", ".join(missing) if missing else "")
    return observed.sentence


def watch(participant, observed):
    """Report what it is about, and judge whether there is hope. The monitor's Outcome."""
    participant.publish_state(observed.state)
    parameters = participant.context.parameters
    stalled = observe.stalled_for(participant.context, participant.state_files, observed.process)
    participant.published.set_status(progress(participant, observed))
    outside = _lasts(participant, "outside", observed)  # of a primary component
    if observed.state == facts.RECEIVING:
        if stalled >= parameters.stall_timeout:
            return Outcome(codes.FAILED_PROMOTED, "The state transfer made no progress for %d s: %s" % (
                stalled, process.last_words_of(participant.state_files)))
        return Outcome(codes.RUNNING_PROMOTED)
    snapshot = participant.snapshot()
    others = [one for one in snapshot.reports.values() if one.node != snapshot.me]
    primary = any(one.state in facts.IN_PRIMARY for one in others)
    if snapshot.override is not None and snapshot.override.node == snapshot.me and not primary:
        return Outcome(codes.FAILED_PROMOTED, "Restarted to bootstrap, by the word of %s." % snapshot.override.by)
    participant.published.offer_self()
    if observed.state == facts.STARTING and participant.bootstraps():
        # It needs no others; InnoDB may have hours of log to apply. To give up on it would bring nobody a database.
        if stalled >= parameters.stall_timeout:
            return Outcome(codes.FAILED_PROMOTED, "The server that bootstraps made no progress for %d s: %s" % (
                stalled, process.last_words_of(participant.state_files)))
        return Outcome(codes.RUNNING_PROMOTED)
    if primary:
        limit = parameters.nonprimary_wait if observed.state == facts.NONPRIMARY else parameters.stall_timeout
        if outside >= limit and stalled >= min(limit, parameters.recovery_wait):
            return Outcome(codes.FAILED_PROMOTED, "Not part of the primary component for %d s, although there is one; "
                           "restarted to join it. %s" % (outside, observed.sentence))
        return Outcome(codes.RUNNING_PROMOTED)
    return _without_primary(participant, observed, snapshot, outside)


def _without_primary(participant, observed, snapshot, outside):
    """No primary component is known to anybody."""
    me = snapshot.me
    if (observed.state == facts.NONPRIMARY and snapshot.two_node and outside >= participant.context.parameters.nonprimary_wait
            and len(snapshot.configured) == 2 and snapshot.lost_confirmed):
        participant.state_files.write("survivor", {"at": int(participant.context.clock.now())})
        return Outcome(codes.FAILED_PROMOTED, "The other node is confirmed off; restarted to go on alone (two_node_mode).")
    missing = absent(snapshot)
    if missing:
        participant.state_files.forget("complete")
    # Not by the time outside: one that waited for hours must not be restarted the moment the other one is back.
    elif _lasts(participant, "complete", observed) >= participant.context.parameters.recovery_wait:
        participant.state_files.write("tried", {"at": int(participant.context.clock.now())})
        return Outcome(codes.FAILED_PROMOTED, "No primary component formed within %d s although all members of the last "
                       "one are there; the election decides instead." % _lasts(participant, "complete", observed))
    if missing and outside >= URGENT_AFTER:
        return Outcome(codes.DEGRADED_PROMOTED, "Waits for %s, which may hold commits that nobody else has. Start it, or "
                       "go on without it: quorate bootstrap %s" % (", ".join(missing), me))
    return Outcome(codes.RUNNING_PROMOTED)


def _lasts(participant, what, observed):
    """Seconds since this was first so of this server; keeps a note of that name."""
    return participant.state_files.elapsed(what, participant.context.clock, pid=observed.process.pid)


def absent(snapshot):
    """Members of the last view of this node that did not report: names, else the beginning of their UUID."""
    own = snapshot.reports.get(snapshot.me)
    if own is None or own.view is None:
        return [name for name in snapshot.configured if name not in snapshot.reports]
    there = {one.my_uuid for one in snapshot.reports.values()}
    gone = own.view.members - there - own.arbitrators
    return sorted(snapshot.names.get(uuid, uuid[:8]) for uuid in gone)
