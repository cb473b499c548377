# SPDX-License-Identifier: Apache-2.0
"""What the monitor of a healthy server keeps on record. Almost always that is: nothing changed, nothing to do."""

import os

from quorate.galera import facts
from quorate.galera.server import observe
from quorate.host.state_files import stamp

UNSETTLED_PATIENCE = 30  # seconds for which every monitor looks whether the server has applied the last change of view
UNSETTLED_AGAIN = 60     # ... and those between two looks after that
_DONOR = "synced, and donor of a state transfer or desynced"


def keep_record(context, memory, seen, election=None):
    """Publish the state, the generation and the last view when they changed. Costs two stat calls when they did not."""
    datadir = observe.data_directory(context, memory)
    note, now = memory.read("serving"), int(context.clock.monotonic())
    mark = "%s %s" % (seen.state, stamp(os.path.join(datadir, "gvwstate.dat")))
    again = note.get("again", "")
    if note.get("mark") == mark and not context.is_probe and not (again.isdigit() and now >= int(again)):
        return
    from quorate.galera.actions.participant import Election
    from quorate.galera.server.disk import last_view, remember_view, settled
    election = election or Election(context, memory)
    remember_view(memory, datadir, observe.members(context, memory))
    view = last_view(memory, datadir)[1]
    if seen.state == facts.SYNCED:
        memory.forget("tried")
        memory.discard("gvwstate.dat")  # the start came to something; what was set aside for it is history
        election.board.synced_in(election.board.generation() or 0)  # before the report, which tells it
    election.publish_state(seen.state)
    election.board.say({facts.SYNCED: "synced", facts.DONOR: _DONOR}.get(seen.state, "catches up, joined"))
    election.board.offer_self()
    if context.is_probe:
        election.board.keep_promoted()
    if seen.state == facts.SYNCED:
        # Whoever waited for a primary component need not wait for its own monitor as well.
        from quorate.galera.election.decide import decide
        offer_others(election, decide)
    if view is None or settled(memory, view):
        memory.write("serving", {"mark": mark})
    elif memory.lasts("unsettled", context.clock, mark=mark) >= UNSETTLED_PATIENCE:
        # The server has not applied the change of view yet, or does not let our account see it: the next look is not the
        # next monitor's any more.
        memory.write("serving", {"mark": mark, "again": now + UNSETTLED_AGAIN})


def offer_others(election, decide):
    """Offer promotion to the nodes that may join now. An operator's word to bootstrap ends here: left lying, it would be
    obeyed after the next loss of all, when nobody means it any more."""
    snapshot = election.snapshot()
    if snapshot.override is not None:
        election.context.log.warning("The word of %s to bootstrap %s was not carried out, and ends: there is a primary "
                                     "component." % (snapshot.override.by, snapshot.override.node))
        election.board.overrule(None)
    decision = decide(snapshot)
    if decision.action == facts.JOIN:
        election.board.apply(decision._replace(nodes=decision.nodes + (snapshot.me,)))
