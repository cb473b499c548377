# SPDX-License-Identifier: Apache-2.0
"""What the monitor of a healthy server keeps on record. Almost always that is: nothing changed, nothing to do."""

import os

from quorate.galera import facts
from quorate.galera.server import observe
from quorate.host.state_files import stamp

UNSETTLED_PATIENCE = 30  # seconds for which every monitor looks whether the server has applied the last change of view
UNSETTLED_AGAIN = 60     # ... and those between two looks after that
_DONOR = "synced, and donor of a state transfer or desynced"


def keep_record(context, state_files, observed, participant=None):
    """Publish the state, the generation and the last view when they changed. Costs two stat calls when they did not."""
    datadir = observe.data_directory(context, state_files)
    note, now = state_files.read("serving"), int(context.clock.monotonic())
    mark = "%s %s" % (observed.state, stamp(os.path.join(datadir, "gvwstate.dat")))
    again = note.get("again", "")
    if note.get("mark") == mark and not context.is_probe and not (again.isdigit() and now >= int(again)):
        return
    from quorate.galera.actions.participant import Participant
    from quorate.galera.server.disk import last_view, remember_view, settled
    participant = participant or Participant(context, state_files)
    remember_view(state_files, datadir, observe.members(context, state_files))
    view = last_view(state_files, datadir)[1]
    if observed.state == facts.SYNCED:
        state_files.forget("tried")
        state_files.discard("gvwstate.dat")  # the start came to something; what was set aside for it is history
        participant.published.synced_in(participant.published.generation() or 0)  # before the report, which tells it
    participant.publish_state(observed.state)
    participant.published.set_status({facts.SYNCED: "synced", facts.DONOR: _DONOR}.get(observed.state, "catches up, joined"))
    participant.published.offer_self()
    if context.is_probe:
        participant.published.keep_promoted()
    if observed.state == facts.SYNCED:
        # Whoever waited for a primary component need not wait for its own monitor as well.
        from quorate.galera.election.decide import decide
        offer_others(participant, decide)
    if view is None or settled(state_files, view):
        state_files.write("serving", {"mark": mark})
    elif state_files.elapsed("unsettled", context.clock, mark=mark) >= UNSETTLED_PATIENCE:
        # The server has not applied the change of view yet, or does not let our account see it: the next look is not the
        # next monitor's any more.
        state_files.write("serving", {"mark": mark, "again": now + UNSETTLED_AGAIN})


def offer_others(participant, decide):
    """Offer promotion to the nodes that may join now. An operator's word to bootstrap ends here: left lying, it would be
    obeyed after the next loss of all, when nobody means it any more."""
    snapshot = participant.snapshot()
    if snapshot.override is not None:
        participant.context.log.warning("The word of %s to bootstrap %s was not carried out, and ends: there is a primary "
                                     "component." % (snapshot.override.by, snapshot.override.node))
        participant.published.set_override(None)
    decision = decide(snapshot)
    if decision.action == facts.JOIN:
        participant.published.apply(decision._replace(nodes=decision.nodes + (snapshot.me,)))
