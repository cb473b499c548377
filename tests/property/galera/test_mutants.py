# SPDX-License-Identifier: Apache-2.0
"""The simulated histories catch every weaker rule.

Each mutant takes one safeguard out of the election, as a reader might think it could be. The histories of fixed seeds
must then bring the cluster to harm; if they did not, test_histories.py would prove nothing about that safeguard.
"""

import pytest

from quorate.galera.election import decide, proof
from quorate.galera.facts import JOIN, RECOVER
from quorate.pacemaker import crm_mon
from tests.property.galera import history

LATE = 10 ** 9  # a seqno beyond all that a history has
_needs_full_transfer = decide.needs_full_transfer
_confirmed_off = crm_mon.confirmed_off

HISTORIES = 30000


def majority_is_enough(view, reports, without_data):
    """More than half of the last view has reported: what elections do elsewhere."""
    here = {report.my_uuid for report in reports}
    return 2 * len(view.members & here) > len(view.members)


def members_need_not_show_the_view(view, reports, without_data):
    """All members of a view have reported, whatever they were in afterwards."""
    return view.members - without_data <= {report.my_uuid for report in reports}


def everybody_but_one(snapshot, electorate):
    reported = [node for node in snapshot.configured if electorate.fully_reported(node)]
    return "most have reported" if 2 * len(reported) > len(snapshot.configured) else None


def safe_flag_of_any_age(snapshot, electorate):
    """safe_to_bootstrap ends the election, as in the agents of old."""
    safe = [report for report in electorate.voters + electorate.outdated if report.safe and report.clean]
    return "it was the last to leave" if len(safe) == 1 else None


def lone_node_goes_on(snapshot, electorate):
    """Two nodes, the other one fenced: it does not matter whether this one survived it."""
    two = snapshot.two_node and len(electorate.voters) == 1 and len(snapshot.configured) == 2
    return "the other one is off" if two and snapshot.lost_confirmed else None


def clean_stop_counts_as_the_end(view, reports, without_data):
    """A member that left cleanly is taken for one that did not go on."""
    by_member = {report.my_uuid: report for report in reports}
    return all(member in by_member and (proof.last_view(by_member[member]) in (None, view))
               for member in view.members - without_data)


def unsettled_view(snapshot, electorate):
    return "all members of the last view have reported" if proof.closed_views(electorate) else None


def lowest(reports, configured, failures=True):
    return min(reports, key=lambda report: (report.seqno, report.node)) if reports else None


def first_configured(reports, configured, failures=True):
    return min(reports, key=lambda report: report.node) if reports else None


def any_view_is_recovered(snapshot, electorate, inside):
    return True


def always_keeps_view(snapshot, node, decision, reachable=frozenset()):
    return decision.action in (JOIN, RECOVER)


def position_is_always_good(report, starts, generation, on_disk=None):
    return False


def an_undone_bootstrap_left_nothing(report, starts, generation, on_disk=None):
    """What its server wrote before it ended stays, as if every node had it."""
    return _needs_full_transfer(report._replace(seqno=on_disk), starts, generation)


def a_disk_that_returns_is_as_good(node):
    return False


def an_undone_bootstrap_counts(position, before, most):
    """Its view took a seqno, which is reported as if it were a commit."""
    return position


def no_record_is_no_reason(report, starts, generation, on_disk=None):
    """A generation start that is not on record any more says nothing against a position."""
    missing = set(range(1, (generation or 0) + 1)).difference(start[0] for start in starts)
    return _needs_full_transfer(report, list(starts) + [(number, report.uuid, LATE, number - 1) for number in missing],
                                generation, on_disk)


def a_failed_start_is_reason_enough(report, reports):
    """Whoever is left goes first, whatever the node that cannot start is ahead by."""
    return True


def remembered_is_as_good(report):
    return report.view


def all_may_vote(report, generation, linked):
    return True


def applier_may_be_behind(node):
    """As it was: the applied members are those of the delivered view, whichever change they are of."""
    return True


def lost_is_as_good_as_fenced(fencing, nodes):
    return _confirmed_off(True, nodes)


MUTANTS = [
    (proof, "closing", majority_is_enough),
    (proof, "closing", members_need_not_show_the_view),
    (proof, "closing", clean_stop_counts_as_the_end),
    (proof, "closed_view", unsettled_view),
    (proof, "everybody", everybody_but_one),
    (proof, "last_to_leave", safe_flag_of_any_age),
    (proof, "lone_survivor", lone_node_goes_on),
    (proof, "best", lowest),
    (proof, "best", first_configured),
    (proof, "holds_every_transaction", a_failed_start_is_reason_enough),
    (proof, "_holds_all", any_view_is_recovered),
    (proof, "last_view", remembered_is_as_good),
    (proof, "belongs", all_may_vote),
    (history, "answers_sync_wait", applier_may_be_behind),
    (crm_mon, "confirmed_off", lost_is_as_good_as_fenced),
    (decide, "keeps_view", always_keeps_view),
    (decide, "needs_full_transfer", position_is_always_good),
    (decide, "needs_full_transfer", no_record_is_no_reason),
    (decide, "needs_full_transfer", an_undone_bootstrap_left_nothing),
    (history, "is_other_disk", a_disk_that_returns_is_as_good),
    (history, "reported_position", an_undone_bootstrap_counts),
]


def harm_done(histories):
    """(seed or name, Harm) of the first history that ends in harm, or None."""
    for name, world, steps in history.scenarios():
        try:
            world.play(steps)
        except history.Harm as harm:
            return name, harm
    for seed in range(histories):
        world, steps = history.random_history(seed)
        try:
            world.play(steps)
        except history.Harm as harm:
            return seed, harm
    return None


@pytest.mark.parametrize("module, name, mutant", MUTANTS, ids=[mutant.__name__ for _, _, mutant in MUTANTS])
def test_a_weaker_rule_is_caught(monkeypatch, module, name, mutant):
    monkeypatch.setattr(module, name, mutant)
    assert harm_done(HISTORIES) is not None
