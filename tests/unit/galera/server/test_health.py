# SPDX-License-Identifier: Apache-2.0
"""Which words a server gets for what it said, and who may come."""

import pytest

from quorate.galera.facts import ServerStatus
from quorate.galera.server.health import Policy, classify

WELL = ServerStatus(answered=True, ready=True, cluster_status="Primary", local_state=4, local_state_comment="Synced",
                    local_index=0, cluster_size=3, desync=False, reject_queries="NONE", sst_donor_rejects_queries=False,
                    sst_method="rsync", read_only=False)
LIBERAL, AUTO, STRICT = Policy("yes", True), Policy("auto", True), Policy("no", False)


def silent(errno, text):
    return ServerStatus(answered=False, errno=errno, error=text)


def classified(status, policy=Policy()):
    health = classify(status, policy)
    return health.code, health.ok


@pytest.mark.parametrize("change, code", [
    ({}, "synced"),
    ({"local_state": 1, "local_state_comment": "Joining"}, "joining"),
    ({"local_state": 3, "local_state_comment": "Joined"}, "joining"),
    ({"ready": False}, "joining"),
    ({"local_state": None}, "joining"),
    ({"cluster_status": "non-Primary", "ready": False}, "non-primary"),
    ({"cluster_status": "Disconnected"}, "non-primary"),
    ({"cluster_status": None}, "non-primary"),
    ({"reject_queries": "ALL"}, "rejecting"),
    ({"reject_queries": "ALL_KILL"}, "rejecting"),
    ({"maint_mode": "MAINTENANCE"}, "maintenance"),
    ({"maint_mode": "SHUTDOWN"}, "maintenance"),
    ({"maint_mode": "DISABLED"}, "synced"),
])
@pytest.mark.parametrize("policy", [LIBERAL, AUTO, STRICT])
def test_states_that_no_policy_changes(change, code, policy):
    assert (code, code == "synced") == classified(WELL._replace(**change), policy)


@pytest.mark.parametrize("change, code, auto", [
    ({"sst_method": "mariabackup"}, "donor", True),
    ({"sst_method": "clone"}, "donor", True),
    ({"sst_method": "rsync"}, "donor", False),
    ({"sst_method": "mysqldump"}, "donor", False),
    ({"sst_method": "mariabackup", "sst_donor_rejects_queries": True}, "donor", False),
    ({"sst_method": "rsync", "desync": True}, "desynced", True),  # a backup: no state transfer blocks it
])
def test_donor_by_policy(change, code, auto):
    status = WELL._replace(local_state=2, local_state_comment="Donor/Desynced", **change)

    assert [(code, True), (code, auto), (code, False)] == [classified(status, each) for each in (LIBERAL, AUTO, STRICT)]


def test_read_only_by_policy():
    assert ("synced", True) == classified(WELL._replace(read_only=True), LIBERAL)
    assert ("read-only", False) == classified(WELL._replace(read_only=True), STRICT)


@pytest.mark.parametrize("errno, text, code", [
    (2003, "Can't connect to MySQL server on 'localhost' ([Errno 2] No such file or directory)", "down"),
    (2003, "Can't connect to MySQL server on 'localhost' ([Errno 111] Connection refused)", "down"),
    (2003, "Can't connect to MySQL server on 'localhost' (timed out)", "hung"),
    (2003, "Can't connect to MySQL server on 'localhost' ([Errno 11] Resource temporarily unavailable)", "hung"),
    (2013, "Lost connection to MySQL server during query (timed out)", "hung"),
    (1040, "Too many connections", "out-of-connections"),
    (1203, "User check already has more than 'max_user_connections' active connections", "out-of-connections"),
    (1045, "Access denied for user 'check'@'localhost' (using password: YES)", "refused"),
    (1698, "Access denied for user 'root'@'localhost'", "refused"),
    (1047, "WSREP has not yet prepared node for application use", "non-primary"),
    (None, "something new", "unknown"),
])
def test_silence_has_a_reason(errno, text, code):
    health = classify(silent(errno, text), Policy())

    assert (code, False) == (health.code, health.ok)
    assert health.sentence.endswith(".") or text in health.sentence
    assert "\n" not in health.sentence


def test_texts_that_users_of_clustercheck_look_for():
    assert "Galera cluster node is synced." == classify(WELL, Policy()).sentence
    assert classify(WELL._replace(local_state=1), Policy()).sentence.startswith("Galera cluster node is not synced")
    assert "Galera cluster node is read-only." == classify(WELL._replace(read_only=True), STRICT).sentence
