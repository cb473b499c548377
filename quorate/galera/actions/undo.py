# SPDX-License-Identifier: Apache-2.0
"""A bootstrap whose server never was ready is undone.

A bootstrap is recorded before its server can accept the first commit: the cluster's generation is raised, then this
node's own. Where the server ended without ever having been ready for clients, nothing was committed in that generation,
and yet these records make every other node outdated: the whole database would wait for the one node that cannot start.
So what was before is recorded as well, and restored, in the reverse order:

    record()   before the generation is opened
    judge()    once the server is gone, while its log and the record of its launch are there
    undo()     with every report of this disk, until it has succeeded

The state file "opening" (persistent) holds what was before; it is removed when the server serves.
"""

import os

from quorate.galera import facts
from quorate.galera.server import parse
from quorate.galera.server.data import disk, identity
from quorate.galera.server.log.readiness import never_ready
from quorate.host.state_files import replace

VIEW_COPY = "opening-gvwstate.dat"


def record(state_files, datadir, begin, cluster, report, seqno):
    """Write down what a bootstrap is about to change. begin: generation_start()'s; cluster: the generation before it;
    report: this node's, before it; seqno: that on the disk, which is beyond the reported one where an earlier bootstrap
    was undone. Raises OSError.

    A node whose generation is unknown could not be given it back, so its bootstrap is not recorded, and stands."""
    # In /run, gone with a reboot, after which nothing can be judged. First, so that a record of an earlier bootstrap,
    # where /var is read-only, is not taken for this one's.
    state_files.write("opening", {"generation": begin[0]})
    if report.generation is None:
        forget(state_files)
        return
    view_file = os.path.join(datadir, "gvwstate.dat")
    state_files.discard(VIEW_COPY)
    if os.path.exists(view_file):
        state_files.keep(view_file, VIEW_COPY)
    state_files.write("opening-view", state_files.read("view", persistent=True), persistent=True)
    state = parse.grastate(disk.text(datadir, "grastate.dat"))
    safe = state.safe_to_bootstrap if isinstance(state, facts.Grastate) else False
    state_files.write("opening", {
        "generation": begin[0], "own": report.generation, "cluster": cluster, "uuid": report.uuid,
        "seqno": report.seqno, "most": seqno + 1, "safe": int(safe)}, persistent=True)


def judge(state_files, answered=False):
    """Record whether the server that was launched to bootstrap, and is gone, never was ready; where that is not proven,
    the bootstrap stands. answered: whether it has answered a client, which is the proof that it was. The same of a
    server that was launched to join, for the name of its data directory. Returns whether there is a bootstrap that is
    to be undone."""
    launched = state_files.read("launched-from")

    def was_never_ready(action):
        return not answered and launched.get("action") == action and never_ready(
            state_files, launched.get("log"), launched.get("socket"))
    identity.judge(state_files, lambda: was_never_ready(facts.JOIN))
    opening = state_files.read("opening", persistent=True)
    if not opening or opening.get("failed"):
        return opening.get("failed") == "1"
    if not answered and state_files.has("opening") and not _is_of_another(state_files, opening) and (
            not launched or was_never_ready(facts.BOOTSTRAP)):
        _keep(state_files, dict(opening, failed=1))
        return True
    forget(state_files)
    return False


def _is_of_another(state_files, opening):
    """Whether this record is of an earlier bootstrap than the last one that this node began since it was booted."""
    return state_files.read("opening").get("generation", opening.get("generation")) != opening.get("generation")


def _keep(state_files, opening):
    """Keep the record. Where that cannot be done (a full /var) the same is found out again with the next report."""
    try:
        state_files.write("opening", opening, persistent=True)
    except OSError:
        pass


def forget(state_files):
    """The bootstrap succeeded, or a later launch has made its records void."""
    state_files.forget("opening")
    for name in ("opening", "opening-view", VIEW_COPY):
        state_files.discard(name)


def undo(context, state_files, published, datadir):
    """Restore what was before a bootstrap whose server never was ready. No server may run. Raises Unavailable; it is
    tried again with the next report then."""
    opening = state_files.read("opening", persistent=True)
    if opening.get("failed") != "1" or opening.get("undone") == "1" or _is_of_another(state_files, opening):
        return
    generation, own, cluster = (facts.integer(opening.get(key)) for key in ("generation", "own", "cluster"))
    if None in (generation, own, cluster):  # not a record of ours
        forget(state_files)
        return
    if published.is_entered(generation):
        if published.own_generation() == own:
            # This was undone before, and the agent was killed; another node has opened one of the same number since.
            _keep(state_files, dict(opening, undone=1))
        else:
            context.log.warning("Another node has entered generation %d, so its bootstrap stands." % generation)
            forget(state_files)
        return
    try:
        _restore_files(state_files, datadir, opening, context.parameters.user)
    except (OSError, KeyError) as error:  # KeyError: there is no such user any more
        context.log.warning("A bootstrap that came to nothing cannot be undone: %s." % (error,))
        return
    # In the reverse order. Killed between the two, this node is in no generation that is newer than the others', and
    # the election takes the announced one for one that was never begun (proof.voting_generation).
    published.set_own_generation(own)
    published.close_generation(generation, cluster)
    _keep(state_files, dict(opening, undone=1))
    context.log.warning("The server that was to open a new primary component never was ready for clients, so that "
                        "bootstrap is undone: generation %d again." % cluster)


def _restore_files(state_files, datadir, opening, user):
    """gvwstate.dat, the remembered view, and safe_to_bootstrap, as they were before the bootstrap."""
    import pwd
    account = pwd.getpwnam(user)
    path = os.path.join(datadir, "gvwstate.dat")
    saved = state_files.kept(VIEW_COPY)
    if saved and os.path.isdir(datadir):
        replace(path, saved, (account.pw_uid, account.pw_gid))
    elif os.path.exists(path):
        os.unlink(path)
    view = state_files.read("opening-view", persistent=True)
    if view:
        state_files.write("view", view, persistent=True)
    else:
        state_files.discard("view")
    state = parse.grastate(disk.text(datadir, "grastate.dat"))
    # With a UUID of zero it would say that a state transfer broke off (disk.transfer_broke_off).
    if opening.get("safe") != "1" and isinstance(state, facts.Grastate) and state.uuid != facts.ZERO_UUID:
        disk.set_safe(datadir, False)
