# SPDX-License-Identifier: Apache-2.0
"""Which words a server gets for what it said, and who may come."""

import pytest

from quorate.galera.facts import ServerStatus
from quorate.galera.server.health import Policy, classify, is_alive, wsrep_state

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
    (2013, "Lost connection to MySQL server during query", "unknown"),  # it ended it: that is no reason to restart it
    (2006, "MySQL server has gone away (BrokenPipeError(32, 'Broken pipe'))", "unknown"),
    (2003, "Can't connect to MySQL server on 'localhost' ([Errno 13] Permission denied)", "unknown"),
    (2003, "Can't connect to MySQL server on 'db' ([Errno -2] Name or service not known)", "unknown"),
    (2003, "Can't connect to MySQL server on 'db' ([Errno 113] No route to host)", "down"),
    (1226, "User 'check' has exceeded the 'max_user_connections' resource", "out-of-connections"),
    (1205, "Lock wait timed out for somebody's translation", "unknown"),  # the server's words, not a time-out of ours
    (3032, "The server is currently in offline mode", "maintenance"),
    (1047, "WSREP has not yet prepared node for application use", "non-primary"),
    (None, "something new", "unknown"),
])
def test_silence_has_a_reason(errno, text, code):
    health = classify(silent(errno, text), Policy())

    assert (code, False) == (health.code, health.ok)
    assert health.sentence.endswith(".") or text in health.sentence
    assert "\n" not in health.sentence


@pytest.mark.parametrize("errno, code, remedy", [
    (1044, "refused", "correct them"), (1045, "refused", "ssl-cert"), (1698, "refused", "correct them"),
    (1129, "refused", "flush-hosts"), (1130, "refused", "CREATE USER"), (1142, "refused", "privilege"),
    (1227, "refused", "privilege"), (4150, "refused", "FLUSH PRIVILEGES"), (4151, "refused", "ACCOUNT UNLOCK"),
    (3118, "refused", "ACCOUNT UNLOCK"), (1820, "refused", "ALTER USER"), (1862, "refused", "ALTER USER"),
    (3159, "refused", "ssl-ca"), (2026, "refused", "ssl- options"), (1251, "refused", "method"),
    (1524, "refused", "method"), (2059, "refused", "method"),
    (1053, "unknown", "shutting down"), (1184, "unknown", "init_connect"),
    (1969, "unknown", "max_statement_time"), (3024, "unknown", "max_statement_time"), (2027, "unknown", "PAM"),
    (1193, "unknown", "error 1193"), (3, "unknown", "gave no answer"), (1317, "unknown", "error 1317"),
])
def test_each_error_of_the_server_has_its_sentence(errno, code, remedy):
    found = classify(silent(errno, "Access denied for user 'check'@'localhost' (using password: YES)"), Policy())

    assert (code, False) == (found.code, found.ok)
    assert remedy in found.sentence
    assert len(found.sentence) <= 144, "exit reasons are cut there"


@pytest.mark.parametrize("errno, alive", [
    (1040, True), (1045, True), (1053, True), (4151, True), (3159, True), (2026, True), (2059, True), (1047, True),
    (2003, False), (2013, False), (2006, False), (None, False)])
def test_an_error_is_a_sign_of_life(errno, alive):
    assert alive == is_alive(silent(errno, "x"))


@pytest.mark.parametrize("value, read_only", [
    ("OFF", False), ("0", False), ("ON", True), ("1", True), ("NO_LOCK", True), ("NO_LOCK_NO_ADMIN", True),
    (None, None)])
def test_values_of_read_only(value, read_only):
    assert read_only is wsrep_state({"read_only": value}).read_only


def test_texts_that_users_of_clustercheck_look_for():
    assert "Galera cluster node is synced." == classify(WELL, Policy()).sentence
    assert classify(WELL._replace(local_state=1), Policy()).sentence.startswith("Galera cluster node is not synced")
    assert "Galera cluster node is read-only." == classify(WELL._replace(read_only=True), STRICT).sentence
