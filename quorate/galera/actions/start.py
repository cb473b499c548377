# SPDX-License-Identifier: Apache-2.0
"""start reports what is on the disk. promote decides again, records what must be on record first, launches the server,
and waits for it while that helps."""

import os

from quorate.galera import facts
from quorate.galera.actions import startup, undo
from quorate.galera.actions.participant import Participant, unpublished
from quorate.galera.election.decide import generation_start, keeps_view, needs_full_transfer
from quorate.galera.election.published import encode_report
from quorate.galera.server import observe
from quorate.galera.server.data import disk, identity
from quorate.galera.server.data.recovery import remove_closed_log
from quorate.galera.server.log import views
from quorate.galera.server.process import find, launch
from quorate.galera.server.settings.address import cluster_address, render
from quorate.galera.server.settings.layout import find_layout, layout_problems, listening_units
from quorate.host import daemon
from quorate.host.state_files import StateFiles
from quorate.host.system.units import Units
from quorate.ocf import codes
from quorate.ocf.codes import Failed, Outcome
from quorate.pacemaker.tools import Unavailable, this_node

JOIN_PATIENCE = 2    # seconds that promote waits for a joiner. Longer would keep Pacemaker from starting those that it
#                      waits for: under load it promotes one after the other, and handles a death after that
PRIMARY_PATIENCE = 30  # ... when a server of the primary component is reachable
SYNC_PATIENCE = 30   # ... once a state transfer is under way, so that most joins end within promote
STANDS = 1           # seconds of preparation after which a decision is made anew: it may not be true any more


def start(context):
    """Find out what is on the disk, publish it, and run nothing: promote launches the server."""
    state_files = StateFiles("galera", context.instance)
    layout = _usable_layout(context)
    listening = listening_units(Units(context.commands), context.deadline.limit(5))
    if listening:
        raise Failed(codes.ERR_INSTALLED, listening)
    _record_layout(state_files, layout)
    process = find(context, state_files, layout.datadir)
    if process is None:
        Participant(context, state_files).report_and_decide(layout)
        state_files.write("started", {"at": int(context.clock.now())})
        return Outcome(codes.SUCCESS)
    return Outcome(codes.ERR_GENERIC,
                   "A database server that the cluster did not start runs on %s (pid %d). If systemd started it: "
                   "systemctl disable --now mariadb" % (layout.datadir, process.pid))


def promote(context):
    """Decide again with what is known now, then bootstrap, recover or join, if that is allowed now."""
    state_files = StateFiles("galera", context.instance)
    layout = _usable_layout(context)
    _record_layout(state_files, layout)
    participant = Participant(context, state_files)
    process = find(context, state_files, layout.datadir)
    if process is None:
        try:
            confirmed = confirm(participant, layout)
            if confirmed is None:
                return Outcome(codes.SUCCESS)  # no failure: without its score the cluster demotes this node
            process = launch_as_decided(participant, *confirmed, layout)
        except Exception as error:
            # Nothing runs, so nobody may wait for this node: the report says again what is on the disk.
            if find(context, state_files, layout.datadir) is None:
                if not isinstance(error, Unavailable):
                    participant.record_failure()
                participant.report_position(layout)
            raise
    state_files.log = context.log  # it runs: a note that cannot be kept any more is no reason to stop it
    try:
        return wait_until_serving(participant, process, layout)
    except Exception as error:
        return unpublished(context, None, error)  # a promote that succeeded; the monitor watches over the rest


def _usable_layout(context):
    """The Layout. Raises Failed with what keeps a server from starting here."""
    layout = find_layout(context)
    problems = layout_problems(layout)
    if problems:
        raise Failed(codes.ERR_INSTALLED, problems[0])
    return layout


def _record_layout(state_files, layout):
    """Write down what the monitor needs of the Layout: it does not ask the server for its settings."""
    state_files.write("layout", {"datadir": layout.datadir, "socket": layout.socket,
                                 "base_port": layout.galera.base_port})


# The launch

def confirm(participant, layout):
    """(Decision, the Snapshot it was made on, this node's Report with the position that the disk really has) if this node
    is to start its server now, else None. Until it publishes that it starts, the others believe that it is down: so where
    the preparation took long, it is decided again."""
    confirmed = participant.confirm(layout)
    if confirmed is None:
        return None
    clock, decision = participant.context.clock, confirmed[0]
    began = clock.monotonic()
    own = _true_position(participant, decision, layout)
    if decision.action == facts.BOOTSTRAP and not disk.has_database(layout.datadir):
        disk.create_database(participant.context, layout)
    if clock.monotonic() - began >= STANDS:
        confirmed = participant.confirm(layout)
        if confirmed is not None and confirmed[0].action != decision.action:
            own = _true_position(participant, confirmed[0], layout)
    return confirmed and (*confirmed, own)


def launch_as_decided(participant, decision, snapshot, own, layout):
    """Launch the server as was decided on this snapshot. own: what confirm() gave. Returns its Process."""
    disk.remove_empty_view(layout.datadir)
    remove_closed_log(layout.datadir)
    options = ["--wsrep_cluster_address=" + render(*cluster_address(
        participant.context.parameters.wsrep_cluster_address))]
    full = False
    if decision.action == facts.BOOTSTRAP:
        options.append("--wsrep-new-cluster")
        _prepare_bootstrap(participant, decision, snapshot, layout, own)
    else:
        full = _set_aside(participant, own, decision, snapshot, layout)
        views.forget(participant.state_files)
    if own.source == facts.RECOVERED and not full:
        # Without it a primary component can form whose state UUID is zero in every grastate.dat.
        options.append("--wsrep_start_position=%s:%d" % (own.uuid, own.seqno))
    try:
        identity.before_launch(participant.context, participant.state_files, layout.datadir,
                               decision.action == facts.JOIN)
    except OSError as error:  # a full /var: only the return of an old disk would go unnoticed
        participant.context.log.warning("The name of the data directory cannot be kept: %s." % error)
    participant.context.log.info("%s: %s" % (decision.action, decision.reason))
    participant.publish_state(facts.STARTING)
    participant.published.set_status("starts")
    # After that can fail: a bootstrap that has no such record was not launched, and is undone.
    participant.state_files.write("launched-from", {
        "report": encode_report(participant.own_report()), "action": decision.action, "log": layout.log,
        "socket": layout.socket})
    for name in ("position", "waiting", "progress", "survivor", "offered") + (
            ("tried",) if decision.action == facts.BOOTSTRAP else ()):
        participant.state_files.forget(name)
    return launch(participant.context, participant.state_files, layout, options)


def _true_position(participant, decision, layout):
    """disk.true_position(). One that joins does not need it: what cannot be read is replaced by a full transfer."""
    report = participant.own_report()
    try:
        return disk.true_position(participant.context, participant.state_files, layout, report)
    except Failed:
        if decision.action != facts.JOIN:
            raise
        return report._replace(uuid=None, seqno=None, source=None)


def _prepare_bootstrap(participant, decision, snapshot, layout, own):
    """Record everything that must be on record before a new primary component can accept its first commit.

    If this node is killed between the two writes, no node may vote any more and the operator is asked. In the other
    order a node would be ahead of the cluster's own record, which looks like a configuration that was restored from a
    backup.
    """
    begin = generation_start(snapshot, this_node(participant.context))
    try:
        undo.record(participant.state_files, layout.datadir, begin, snapshot.generation, participant.own_report(),
                    own.seqno)
    except OSError as error:  # a full /var: without this record the bootstrap cannot be undone, and that is all
        undo.forget(participant.state_files)  # and an earlier record is not that of this one
        participant.context.log.warning("What is before this bootstrap cannot be recorded: %s." % error)
    participant.published.open_generation(begin)
    participant.published.set_own_generation(begin[0])
    override = participant.published.override()
    if override is not None:
        participant.context.log.warning("Override carried out, as ordered by %s: %s" % (override.by, decision.reason))
        participant.published.set_override(None)
    disk.set_safe(layout.datadir, True)


def _set_aside(participant, own, decision, snapshot, layout):
    """Put away what this node must not start with: an old view that must not be re-formed, and a position beyond that
    at which a later generation began (an incremental transfer would apply new commits on top of commits that were
    discarded). Returns whether the position was put away, so that a full transfer follows."""
    report = own if own.seqno is None else participant.own_report()
    full = needs_full_transfer(report, participant.published.generation_starts(),
                               participant.published.generation(), own.seqno)
    kept = keeps_view(snapshot, this_node(participant.context), decision, participant.reachable_primary())
    for name, removed in (("gvwstate.dat", not kept), ("grastate.dat", full)):
        path = os.path.join(layout.datadir, name)
        if removed and os.path.exists(path):
            participant.context.log.info("%s is moved to %s before this node joins."
                                         % (path, participant.state_files.persistent))
            try:
                participant.state_files.keep(path)
            except OSError as error:
                raise Failed(codes.ERR_GENERIC, "%s cannot be copied to %s (%s), so no server is launched." % (
                    path, participant.state_files.persistent, error.strerror)) from None
            os.unlink(path)
    return full


# The wait for it

def wait_until_serving(participant, process, layout):
    """Wait for the launched server as long as that helps; the monitor watches over the rest. promote's Outcome."""
    context, clock = participant.context, participant.context.clock
    began = checked = clock.monotonic()
    last_state = None
    bootstraps = participant.launched_to_bootstrap()
    starting = PRIMARY_PATIENCE if bootstraps or participant.reachable_primary() else JOIN_PATIENCE
    while True:
        if context.processes.gone(process):
            from quorate.galera.server.log.ending import not_started
            error = not_started(context, participant.state_files, layout)
            participant.state_files.forget(daemon.PROCESS_FILE)
            participant.record_failure()
            return Outcome(codes.ERR_GENERIC, "The database server ended while it started: %s" % error)
        observed = observe.observe_process(context, participant.state_files, process)
        is_member = observed.state in facts.IN_PRIMARY or observed.state == facts.RECEIVING
        if observed.state != last_state:
            context.log.say("%s State: %s." % (observed.sentence, observed.state))
            last_state = observed.state
            if is_member:
                participant.publish_state(observed.state)
        if observed.state == facts.SYNCED:
            from quorate.galera.actions.serving import keep_record
            keep_record(context, participant.state_files, observed, participant)
            return Outcome(codes.SUCCESS)
        patience = SYNC_PATIENCE if is_member else starting
        # One that lost the primary component while it joined waits for the same as one that has not found it yet.
        outside = observed.state in (facts.STARTING, facts.NONPRIMARY)
        if outside and not bootstraps and patience > JOIN_PATIENCE and clock.monotonic() - checked > JOIN_PATIENCE:
            checked = clock.monotonic()  # the members that it joins may have died since
            starting = patience = PRIMARY_PATIENCE if participant.reachable_primary() else JOIN_PATIENCE
        if context.deadline.expired or clock.monotonic() - began > patience:
            participant.published.set_status(startup.progress_text(participant, observed))
            return Outcome(codes.SUCCESS)
        clock.sleep(0.2)
