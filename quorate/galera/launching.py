# SPDX-License-Identifier: Apache-2.0
"""A promotion carried out: what must be on record first, the launch of the server, and the wait while that helps."""

import os

from quorate.galera import facts, probe, read, report as form, server, watch
from quorate.galera.decide import keeps_view, needs_full_transfer, opening
from quorate.galera.position import allow_bootstrap, remove_closed_log, remove_empty_view
from quorate.ocf import codes
from quorate.ocf.agent import Failed, Outcome

JOIN_PATIENCE = 2    # seconds promote waits for a joiner; longer would keep Pacemaker from starting those it waits for:
#                      under load it promotes one after the other (its throttling), and a death is dealt with after that
PRIMARY_PATIENCE = 30  # ... when the server of a member of the primary component was heard
SYNC_PATIENCE = 30   # ... once something is being received, so that most joins end within promote


def carry_out(election, decision, snapshot, layout):
    """Launch the server as was decided on this snapshot. Returns its Process."""
    own = election.own_report()
    remove_empty_view(layout.datadir)
    remove_closed_log(layout.datadir)
    options = ["--wsrep_cluster_address=" + election.context.parameters.wsrep_cluster_address]
    options += (election.context.parameters.additional_parameters or "").split()
    full = False
    if decision.action == facts.BOOTSTRAP:
        options.append("--wsrep-new-cluster")
        _prepare_bootstrap(election, decision, snapshot, layout)
    else:
        full = _set_aside(election, own, decision, snapshot, layout)
    if own.source == facts.RECOVERED and not full:
        # Without it a primary component can form whose state UUID is zero in every grastate.dat.
        options.append("--wsrep_start_position=%s:%d" % (own.uuid, own.seqno))
    election.context.log.info("%s: %s" % (decision.action, decision.reason))
    election.memory.write("launched-from", {"report": form.encode_report(own), "action": decision.action})
    for note in ("position", "waiting", "progress", "survivor", "offered") + (
            ("tried",) if decision.action == facts.BOOTSTRAP else ()):
        election.memory.forget(note)
    election.publish_state(facts.STARTING)
    election.board.say("starts")
    return server.launch(election.context, election.memory, layout, options)


def _prepare_bootstrap(election, decision, snapshot, layout):
    """Everything that must be on record before a new primary component can accept its first commit.

    Killed between the two writes, nobody may vote any more and the operator is asked; the other way round a node
    would be ahead of the cluster's own record, which looks like a configuration that was put back.
    """
    from quorate.galera.position import has_database
    if not has_database(layout.datadir):
        create_database(election.context, layout)
    begins = opening(snapshot, election.context.node)
    election.board.open_generation(begins)
    election.board.synced_in(begins[0])
    override = election.board.override()
    if override is not None:
        election.context.log.warning("The operator's word was carried out: %s, by %s." % (decision.reason, override.by))
        election.board.overrule(None)
    allow_bootstrap(layout)


def _set_aside(election, own, decision, snapshot, layout):
    """Put away what this node must not start with: an old view that must not be re-formed, and a position beyond that
    at which a later generation began (an incremental transfer would put new commits on top of commits that were
    given up). Returns whether the position went, so that a full transfer follows."""
    full = own.generation != election.board.generation() and needs_full_transfer(own, election.board.openings())
    kept = keeps_view(snapshot, election.context.node, decision, _heard_primary(election))
    for name, goes in (("gvwstate.dat", not kept), ("grastate.dat", full)):
        path = os.path.join(layout.datadir, name)
        if goes and os.path.exists(path):
            election.context.log.info("%s is set aside in %s before this node joins." % (path, election.memory.lasting))
            election.memory.keep(path)
            os.unlink(path)
    return full


def accompany(election, process, layout):
    """Wait for the launched server as long as that helps; the monitor watches over the rest. promote's Outcome."""
    began = election.context.clock.monotonic()
    told = None
    bootstraps = election.bootstraps()
    starting, asked = PRIMARY_PATIENCE if bootstraps or _heard_primary(election) else JOIN_PATIENCE, began
    while True:
        if election.context.processes.gone(process):
            words = server.last_words(election.memory, layout)
            election.memory.forget(server.NOTE)
            return Outcome(codes.ERR_GENERIC, "The database server ended while it started: %s" % words)
        seen = probe.ask(election.context, election.memory, process)
        if seen.state != told:
            election.context.log.say("%s State: %s." % (seen.sentence, seen.state))
            told = seen.state
            if seen.state in facts.IN_PRIMARY or seen.state == facts.RECEIVING:
                election.publish_state(seen.state)
        if seen.state == facts.SYNCED:
            from quorate.galera.serving import keep_record
            keep_record(election.context, election.memory, seen, election)
            return Outcome(codes.SUCCESS)
        patience = SYNC_PATIENCE if seen.state in facts.IN_PRIMARY or seen.state == facts.RECEIVING else starting
        # One that lost the primary component while it joined waits for the same as one that has not found it yet.
        hoped = seen.state in (facts.STARTING, facts.NONPRIMARY) and patience > JOIN_PATIENCE and not bootstraps
        if hoped and election.context.clock.monotonic() - asked > JOIN_PATIENCE:
            asked = election.context.clock.monotonic()  # those that it joins may have died since
            starting = patience = PRIMARY_PATIENCE if _heard_primary(election) else JOIN_PATIENCE
        if election.context.deadline.expired or election.context.clock.monotonic() - began > patience:
            election.board.say(watch.progress(election, seen))
            return Outcome(codes.SUCCESS)
        election.context.clock.sleep(0.2)


def _heard_primary(election):
    """Names of the nodes that report to be in the primary component and whose server accepts group communication: their
    reports are not a dead server's last word, and a join will not take long."""
    snapshot = election.snapshot()
    there = {name: where for name, where in election.addresses.items() if name != snapshot.me
             and name in snapshot.reports and snapshot.reports[name].state in facts.IN_PRIMARY}
    return probe.listening(there, 1.0) if there else frozenset()


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
            layout.datadir, read.last_error(result.err + result.out) or "code %s" % result.rc))
