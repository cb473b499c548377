# SPDX-License-Identifier: Apache-2.0
"""Text to facts: what Galera 26.4 and MariaDB 10.11 write, and what a broken machine leaves of it."""

import pytest

from quorate.galera import facts
from quorate.galera.facts import ZERO_UUID, Garbage, Grastate, Gvwstate, View
from quorate.galera.server import health, parse

U = "6b1f0c2e-c6a1-11ef-9d1d-3b0d6f7a8c11"
GRASTATE = "# GALERA saved state\nversion: 2.1\nuuid:    %s\nseqno:   %d\nsafe_to_bootstrap: %d\n"
A, B, C = ("11111111-c6a1-11ef-b03a-00000000000%d" % number for number in (1, 2, 3))
GVWSTATE = ("my_uuid: %s\n#vwbeg\nview_id: 3 %s 17\nbootstrap: 0\n"
            "member: %s 0\nmember: %s 0\nmember: %s 1\n#vwend\n" % (B, A, A, B, C))


def test_grastate_of_a_clean_stop_and_of_a_running_server():
    assert parse.grastate(GRASTATE % (U, 1234, 1)) == Grastate(U, 1234, True)
    assert parse.grastate(GRASTATE % (U.upper(), -1, 0)) == Grastate(U, -1, False)


def test_grastate_of_old_releases_says_nothing_of_safety():
    assert parse.grastate("version: 2.1\nuuid: %s\nseqno: 5\ncert_index:\n" % U).safe_to_bootstrap is None


def test_no_grastate_is_not_an_empty_one():
    assert parse.grastate(None) is None
    assert parse.grastate("") == Garbage("is empty")


@pytest.mark.parametrize("text, reason", [
    ("\0" * 200, "is empty"), (" \r\n", "holds no text"), ("\n\0", "holds no text"),
    (GRASTATE % (U, 5, 0) + "\0\0", "holds binary zeros"), *((text, "has no valid uuid and seqno") for text in (
        "uuid: nonsense\nseqno: 5\n", "uuid: %s\n" % U, "seqno: 5\n", "uuid: %s\nseqno: 1_000\n" % U,
        "uuid: %s\nseqno: -2\n" % U, "uuid: %s\nseqno:\n" % U, (GRASTATE % (U, 5, 0))[:40],
        "seqno 5\nuuid: %s" % U))])
def test_garbage_in_grastate_is_recognised(text, reason):
    assert parse.grastate(text) == Garbage(reason)


def test_what_says_nothing_in_grastate_is_passed_over():
    assert parse.grastate(GRASTATE % (U, 5, 1) + "seqno\n#seqno: 7\ncert_index:\n") == Grastate(U, 5, True)


def test_seqnos_are_exact_beyond_what_a_double_holds():
    assert parse.grastate(GRASTATE % (U, 2 ** 53 + 1, 0)).seqno == 2 ** 53 + 1


def test_the_safe_flag_is_rewritten_and_all_else_is_kept():
    text = GRASTATE % (U, -1, 0)
    assert parse.with_safe(text) == GRASTATE % (U, -1, 1)
    assert parse.with_safe(GRASTATE % (U, 7, 1), False) == GRASTATE % (U, 7, 0)
    assert parse.grastate(parse.with_safe("uuid: %s\nseqno: 1" % U)).safe_to_bootstrap is True
    assert parse.with_safe(GRASTATE % (U, 7, 0) + "safe_to_bootstrap\n") == GRASTATE % (U, 7, 1)
    assert parse.with_safe("\0\0\0") is None
    assert parse.with_safe(None) is None


@pytest.mark.parametrize("position, before, reported", [
    ((U, 7), (U, 7), (U, 7)), ((U, 8), (U, 7), (U, 7)), ((U, 9), (U, 7), (U, 7)), ((U, 10), (U, 7), (U, 10)),
    ((U, 6), (U, 7), (U, 6)), ((A, 8), (U, 7), (A, 8)), (None, (U, 7), (U, 7)), (None, (U, 0), (U, 0)),
    ((U, 1), (U, 0), (U, 0)), ((U, 1), (ZERO_UUID, -1), (U, 1)), (None, (ZERO_UUID, -1), None)])
def test_after_a_bootstrap_that_was_undone_a_node_counts_as_before_it(position, before, reported):
    """Unless the disk shows more than that bootstrap can have left, or another history. It can have left 9 at most."""
    assert reported == parse.reported_position(position, before, 9)


def test_gvwstate_is_masked():
    view = View(facts.mask(A), 17, frozenset(facts.mask(one) for one in (A, B, C)))
    assert parse.gvwstate(GVWSTATE) == Gvwstate(facts.mask(B), view)
    again = GVWSTATE.replace("-b03a-", "-b03b-")   # a restart from the file
    assert parse.gvwstate(again) == Gvwstate(facts.mask(B), view)


def test_a_member_without_a_segment():
    assert parse.gvwstate(GVWSTATE.replace(" 0\n", "\n")).view == parse.gvwstate(GVWSTATE).view


@pytest.mark.parametrize("text, reason", [("", "is empty"), ("\0" * 64, "is empty"), *(
    (text, "is not a complete view") for text in (
        "my_uuid: %s\n" % A, GVWSTATE.replace("#vwend\n", ""), GVWSTATE[:150], GVWSTATE.replace("17", "x"),
        GVWSTATE.replace(C, "broken"), GVWSTATE.replace("my_uuid", "uuid"), GVWSTATE.replace(" 17", ""),
        GVWSTATE.replace("view_id:", "view:"), GVWSTATE.replace("member:", "node:")))])
def test_half_a_gvwstate_is_garbage(text, reason):
    assert parse.gvwstate(text) == Garbage(reason)


def test_no_gvwstate():
    assert parse.gvwstate(None) is None


def test_settled_when_the_applied_view_is_the_delivered_one():
    view = parse.gvwstate(GVWSTATE).view
    assert parse.settled(view, [A, B, C.upper()])
    assert not parse.settled(view, [A, B])
    assert not parse.settled(view, [A, B, C, U])
    assert not parse.settled(None, [])


@pytest.mark.parametrize("line, position", [
    ("2026-11-21  4:01:02 0 [Note] WSREP: Recovered position: %s:1234" % U, (U, 1234)),
    ("2026-11-21  4:01:02 0 [Note] WSREP: Recovered position: %s:1234,0-1-55" % U, (U, 1234)),
    ("2026-11-21T04:01:02.1Z 0 [Note] [MY-000000] [WSREP] Recovered position: %s:9" % U, (U, 9)),
    ("2026-11-21  4:01:02 0 [Note] WSREP: Recovered position %s:8" % U, (U, 8)),
    ("2026-11-21  4:01:02 0 [Note] WSREP: Recovered position: %s:-1" % ZERO_UUID, (ZERO_UUID, -1)),
    ("2026-11-21  4:01:02 0 [Note] WSREP: Recovered position: %s:-2" % U, None),
    ("2026-11-21  4:01:02 0 [Note] WSREP: Recovered position: ", None),
    ("2026-11-21  4:01:02 0 [Note] WSREP: Recovered position: %s" % U, None),
    ("nothing of the kind", None)])
def test_recovered_position(line, position):
    assert parse.recovered_position("InnoDB: starting\n%s\nShutdown complete\n" % line) == position


def test_the_last_recovered_position_counts():
    log = "".join("WSREP: Recovered position: %s:%d\n" % (U, seqno) for seqno in (1, 2))
    assert parse.recovered_position(log) == (U, 2)


def test_prepared_transactions():
    assert parse.prepared_xa("[ERROR] Found 2 prepared transactions! It means that mysqld was not shut down") == 2
    assert parse.prepared_xa("Found 1 prepared transactions!") == 1
    for none in ("all is well", "Found 7", "Lost 2 prepared transactions", "7 prepared transactions",
                 "Found no prepared transactions"):
        assert parse.prepared_xa(none + "\n") == 0


def test_what_a_server_says_of_itself():
    status = health.wsrep_state({
        "wsrep_ready": "ON", "wsrep_cluster_status": "Primary", "wsrep_local_state": "4", "wsrep_local_index": "0",
        "wsrep_local_state_comment": "Synced", "wsrep_cluster_size": "3", "wsrep_desync": "OFF", "read_only": "OFF",
        "wsrep_reject_queries": "NONE", "wsrep_cluster_state_uuid": U, "wsrep_last_committed": "12",
        "wsrep_connected": "ON", "Threads_connected": "7", "wsrep_incoming_addresses": "10.0.0.1:3306,10.0.0.2:3306",
        "wsrep_sst_method": "rsync",
        "wsrep_cluster_conf_id": "3", "wsrep_sst_donor_rejects_queries": "OFF"}, at=5.0)
    assert (status.answered, status.ready, status.cluster_status, status.local_state, status.local_index) == (
        True, True, "Primary", 4, 0)
    assert (status.desync, status.read_only, status.reject_queries, status.maint_mode) == (False, False, "NONE", None)
    assert (status.cluster_uuid, status.last_committed, status.conf_id, status.threads_connected) == (U, 12, 3, 7)
    assert status.addresses == ("10.0.0.1:3306", "10.0.0.2:3306") and status.at == 5.0


def test_what_it_does_not_say_is_unknown():
    status = health.wsrep_state({"wsrep_local_index": str(2 ** 64 - 1), "wsrep_cluster_conf_id": str(2 ** 64 - 1)})
    assert status.answered and status.ready is None and status.read_only is None and status.desync is None
    assert status.local_index is None and status.conf_id is None and status.addresses is None
    assert health.wsrep_state({"read_only": "A NEW VALUE"}).read_only is None


def test_uuids():
    assert facts.uuid(" %s " % U.upper()) == U
    assert facts.uuid("6b1f0c2e-c6a1-11ef-9d1d") is None
    assert facts.uuid("g" + U[1:]) is None
    assert facts.mask(None) is None and facts.mask("nonsense") is None
    assert facts.short(U) == "6b1f0c2e" and facts.short(None) == ""
