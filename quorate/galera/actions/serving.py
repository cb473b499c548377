# SPDX-License-Identifier: Apache-2.0
"""What the monitor of a healthy server records and publishes. Almost always nothing changed, and nothing is done."""

import os

from quorate.galera import facts
from quorate.galera.server import observe
from quorate.host.state_files import stamp

UNSETTLED_PATIENCE = 30  # seconds for which every monitor asks whether the server has applied the last change of view
UNSETTLED_AGAIN = 60     # seconds between two such questions after that
_STATUS = {facts.SYNCED: "synced", facts.DONOR: "synced, and donor of a state transfer or desynced",
           facts.JOINED: "joined, catching up"}


def keep_record(context, state_files, observed, participant=None):
    """Publish the state, the generation and the last view when they changed. Costs two stat calls when they did not."""
    datadir = observe.data_directory(context, state_files)
    last, now = state_files.read("serving"), int(context.clock.monotonic())
    fingerprint = "%s %s" % (observed.state, stamp(os.path.join(datadir, "gvwstate.dat")))
    again = last.get("again", "")
    if last.get("mark") == fingerprint and not context.is_probe and not (again.isdigit() and now >= int(again)):
        return
    from quorate.galera.actions import undo
    from quorate.galera.actions.participant import Participant
    from quorate.galera.server.data import identity
    from quorate.galera.server.data.disk import delivered_view, last_view, remember_view, settled
    participant = participant or Participant(context, state_files)
    undo.forget(state_files)  # it answers, so the bootstrap, if it was one, stands
    applied = delivered_view(datadir)  # before the question: by its answer, what had been delivered is applied
    members = None
    if applied and not settled(state_files, applied):
        members = observe.members(context, state_files, sync_wait=True)
    remember_view(state_files, datadir, members or observe.members(context, state_files), applied if members else None)
    view = last_view(state_files, datadir)[1]
    if observed.state == facts.SYNCED:
        state_files.forget("tried")
        state_files.forget("failed")
        state_files.forget("launched-from")  # it is beyond that position: were it reported again, others would count on it
        state_files.discard("gvwstate.dat")  # the start succeeded, so the copy that was set aside for it is obsolete
        identity.record(context, state_files, datadir)
        generation = participant.published.generation()
        if generation is not None:  # garbage says nothing of what this node is of
            participant.published.set_own_generation(generation)  # before the report, which holds it
    participant.publish_state(observed.state)
    participant.published.set_status(_STATUS[observed.state])
    participant.published.offer_self()
    if context.is_probe:
        participant.published.keep_promoted()
    if observed.state == facts.SYNCED:
        # Nodes that waited for a primary component need not wait for their own monitors as well.
        offer_others(participant)
    if view is None or settled(state_files, view):
        state_files.write("serving", {"mark": fingerprint})
    elif state_files.elapsed("unsettled", context.clock, mark=fingerprint) >= UNSETTLED_PATIENCE:
        # The server has not applied the change of view yet, or does not let our account see it: ask less often.
        state_files.write("serving", {"mark": fingerprint, "again": now + UNSETTLED_AGAIN})


def offer_others(participant):
    """Offer promotion to the nodes that may join now. An override ends here: if it stayed, it would be obeyed after the
    next loss of all nodes, when nobody wants it any more."""
    from quorate.galera.election.decide import decide
    snapshot = participant.snapshot()
    if snapshot.override is not None:
        participant.context.log.warning(
            "The order of %s to bootstrap %s was not carried out, and is removed: there is a primary component." % (
                snapshot.override.by, snapshot.override.node))
        participant.published.set_override(None)
    decision = decide(snapshot)
    if decision.action == facts.JOIN:
        participant.published.apply(decision._replace(nodes=decision.nodes + (snapshot.me,)))
