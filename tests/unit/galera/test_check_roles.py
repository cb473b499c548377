# SPDX-License-Identifier: Apache-2.0
"""What a server said, in a word."""

import pytest

from quorate.galera.check import GaleraCheck
from quorate.galera.facts import ServerStatus
from quorate.galera.server.health import Policy, classify
from quorate.web.check import NOTHING_YET, Fact, role_answer
from quorate.web.poller import Poller

SYNCED = ServerStatus(answered=True, ready=True, cluster_status="Primary", local_state=4, local_state_comment="Synced",
                      local_index=0, sst_method="mariabackup", read_only=False)
CHECK = GaleraCheck({"settings": "/nonexistent"})
SILENT = ServerStatus(answered=False, error="x")


@pytest.mark.parametrize("status, policy, expected", [
    (SYNCED, Policy(), ("synced", True)),
    (SYNCED._replace(cluster_status="non-Primary"), Policy(), ("non-primary", False)),
    (SYNCED._replace(cluster_status=None), Policy(), ("non-primary", False)),
    (SYNCED._replace(reject_queries="ALL"), Policy(), ("rejecting", False)),
    (SYNCED._replace(maint_mode="MAINTENANCE"), Policy(), ("maintenance", False)),
    (SYNCED._replace(maint_mode="DISABLED"), Policy(), ("synced", True)),
    (SYNCED._replace(local_state=1), Policy("yes"), ("joining", False)),
    (SYNCED._replace(local_state=3), Policy("yes"), ("joining", False)),
    (SYNCED._replace(local_state=None), Policy("yes"), ("joining", False)),
    (SYNCED._replace(ready=False), Policy(), ("joining", False)),
    (SYNCED._replace(local_state=2), Policy("no"), ("donor", False)),
    (SYNCED._replace(local_state=2), Policy("yes"), ("donor", True)),
    (SYNCED._replace(local_state=2), Policy("auto"), ("donor", True)),
    (SYNCED._replace(local_state=2, sst_method="rsync"), Policy("auto"), ("donor", False)),
    (SYNCED._replace(local_state=2, sst_method="rsync", desync=True), Policy("auto"), ("desynced", True)),
    (SYNCED._replace(local_state=2, sst_donor_rejects_queries=True), Policy("auto"), ("donor", False)),
    (SYNCED._replace(read_only=True), Policy(), ("synced", True)),
    (SYNCED._replace(read_only=True), Policy("no", False), ("read-only", False)),
    (SILENT._replace(errno=1040), Policy(), ("out-of-connections", False)),
    (SILENT._replace(errno=1045), Policy(), ("refused", False)),
    (SILENT._replace(errno=1698), Policy(), ("refused", False)),
    (SILENT._replace(errno=1047), Policy(), ("non-primary", False)),
    (SILENT._replace(errno=2003, error="([Errno 111] Connection refused)"), Policy(), ("down", False)),
    (SILENT._replace(errno=2003, error="([Errno 11] Resource temporarily unavailable)"), Policy(), ("hung", False)),
    (SILENT._replace(errno=2013, error="Lost connection (timed out)"), Policy(), ("hung", False)),
    (SILENT, Policy(), ("unknown", False)),
])
def test_word(status, policy, expected):
    assert expected == classify(status, policy)[:2]


def fact(status, draining=None):
    return Fact(status, classify(status, Policy()), draining)


@pytest.mark.parametrize("found, path, expected", [
    (fact(SYNCED), "/", 200),
    (fact(SYNCED, "update"), "/", 404),
    (fact(SYNCED._replace(local_state=1), "update"), "/", 503),
    (fact(SYNCED, "update"), "/live", 200),
    (fact(SYNCED._replace(local_state=1)), "/live", 200),
    (fact(SILENT._replace(errno=1040)), "/live", 200),
    (fact(SILENT._replace(errno=2003)), "/live", 503),
    (fact(SYNCED._replace(local_state=2)), "/reader", 200),
    (fact(SYNCED._replace(local_state=2)), "/", 503),
    (fact(SYNCED), "/nonsense", 404),
    (NOTHING_YET, "/", 503),
])
def test_roles(found, path, expected):
    assert expected == role_answer(CHECK, found, path)[0]


@pytest.mark.parametrize("path", ["/", "/writer", "/reader", "/live"])
def test_an_old_fact_is_no_fact(path):
    assert 503 == role_answer(CHECK, fact(SYNCED), path, fresh=False)[0]


class Session:
    """A server that says one thing after the other."""

    def __init__(self, *said):
        self.said = list(said)

    def status(self, timeout):
        return self.said.pop(0)


class Scripted(GaleraCheck):
    def __init__(self, session):
        GaleraCheck.__init__(self, {"settings": "/nonexistent"})
        self.session = lambda: session


def looks(*said):
    session, found = Session(*said), []
    poller = Poller(Scripted(session), lambda: None)
    while session.said:
        poller.observe()
        found.append(poller.fact.health.code)
    return found


def test_flicker_of_wsrep_ready_is_not_seen_and_its_end_is():
    unready = SYNCED._replace(ready=False)

    assert ["synced", "synced"] == looks(SYNCED, unready, SYNCED)
    assert ["synced", "joining"] == looks(SYNCED, unready, unready)
    assert ["joining", "joining"] == looks(unready, unready)
