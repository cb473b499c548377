# SPDX-License-Identifier: Apache-2.0
"""The question for a service's heartbeat, and what each answer of the database means; PyMySQL is a stand-in."""

import pytest

from quorate.openstack import catalog
from quorate.openstack.facts import ANSWERED, UNKNOWN, UNREACHABLE, Address, Row, Rows
from quorate.openstack.service import heartbeat

CINDER, HEAT, NOVA = catalog.CINDER_VOLUME, catalog.HEAT_ENGINE, catalog.NOVA_CONSOLEAUTH
PLACE = Address("db", 3307, "u", "p\u00e4\udcff", "cinder")


class Database:
    """What PyMySQL and its connection do: failing: what connect() raises; answers: what each statement gives, an
    exception or rows. done: everything that was called, in order."""

    def __init__(self, monkeypatch):
        self.done, self.failing, self.answers, self.drivers, self.now = [], None, [], [], 100.0
        monkeypatch.setattr("quorate.host.mysql.driver", self.driver)
        monkeypatch.setattr("quorate.host.names.connect", self.reach)
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def driver(self, crypto=False, tls=False):
        self.drivers.append((crypto, tls))
        if self.failing is ImportError:
            raise ImportError
        return self

    def reach(self, *how):
        self.done.append(("reach", *how))
        self.now += 1.0
        return "a socket"

    def connect(self, one=None, **how):
        if how:
            self.done.append(("connect", how))
            return self
        self.done.append(("use", one))
        if self.failing is not None:
            failing, self.failing = self.failing, self.failing if not isinstance(self.failing, RuntimeError) else None
            raise failing
        return None

    def cursor(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.done.append("cursor closed")

    def execute(self, *statement):
        self.done.append(("execute", *statement))
        answer = self.answers.pop(0) if self.answers else ()
        if isinstance(answer, Exception):
            raise answer
        self.rows = answer

    def fetchall(self):
        return self.rows

    def close(self):
        self.done.append("closed")

    def statements(self):
        return [one[1:] for one in self.done if one[0] == "execute"]


@pytest.fixture
def database(monkeypatch):
    return Database(monkeypatch)


def read(service=CINDER, address=PLACE, names=("ha@a", "ha@b"), seconds=3.0):
    return heartbeat.read(service, address, names, seconds)


def test_the_rows_of_cinder(database):
    database.answers = [(("ha@a", "5", 900, "m"), ("ha@b", None, None, 7))]
    assert read() == Rows(ANSWERED, (Row("ha@a", 5, 900, "m"), Row("ha@b", None, None, "7")))
    (query, values), = database.statements()
    assert query == (
        "SELECT host, TIMESTAMPDIFF(SECOND, COALESCE(updated_at, created_at), UTC_TIMESTAMP()), TIMESTAMPDIFF(SECOND, "
        "created_at, UTC_TIMESTAMP()), CONCAT_WS(' ', created_at, report_count, updated_at) FROM services WHERE "
        "`binary` = 'cinder-volume' AND deleted = 0 AND host IN (%s, %s)")
    assert values == ("ha@a", "ha@b") and database.drivers == [(False, False)]


def test_how_it_is_connected(database):
    read()
    assert database.done[:3] == [
        ("reach", "db", 3307, 3.0),
        ("connect", {"user": "u", "password": b"p\xc3\xa4\xff", "database": "cinder", "autocommit": True,
                     "connect_timeout": 2.0, "read_timeout": 2.0, "write_timeout": 2.0, "defer_connect": True,
                     "host": "db", "port": 3307}), ("use", "a socket")]
    assert database.done[-2:] == ["cursor closed", "closed"]
    del database.done[:]
    read(seconds=0.5)
    assert database.done[1][1]["connect_timeout"] == 0.1
    del database.done[:]
    read(address=PLACE._replace(socket="/run/db", password=None))
    how = database.done[0][1]
    assert (how["unix_socket"], how["password"], how["connect_timeout"]) == ("/run/db", b"", 3.0)
    assert "host" not in how and database.done[1] == ("use", None)


@pytest.mark.parametrize("certificates, ssl", [
    ((), {"check_hostname": False}), ((("ca", "/c"),), {"ca": "/c"}),
    ((("ca", "/c"), ("check_hostname", " Yes ")), {"ca": "/c", "check_hostname": True}),
    ((("ca", "/c"), ("check_hostname", "0")), {"ca": "/c", "check_hostname": False}),
    ((("check_hostname", True),), {"check_hostname": True})])
def test_its_tls_is_the_service_s(database, certificates, ssl):
    read(address=PLACE._replace(tls=True, certificates=certificates))
    assert database.done[1][1]["ssl"] == ssl and database.drivers == [(False, True)]


@pytest.mark.parametrize("changes, more", [
    ({"tls": True, "options": (("ssl_verify_cert", "true"),)}, {"ssl_verify_cert": "true"}),
    ({"tls": True, "options": (("ssl_disabled", "1"),), "certificates": (("ca", "/c"),)},
     {"ssl_disabled": "1", "ssl": {"ca": "/c"}}), ({}, {})])
def test_other_options_are_pymysql_s_own(database, changes, more):
    read(address=PLACE._replace(**changes))
    plain = {"autocommit", "connect_timeout", "read_timeout", "write_timeout", "defer_connect", "host", "port", "user",
             "password", "database"}
    assert more == {name: value for name, value in database.done[1][1].items() if name not in plain}


@pytest.mark.parametrize("word", ["true", "yes", "on", "y", "t", "1", "TRUE"])
def test_words_for_a_name_that_is_checked(word):
    place = PLACE._replace(certificates=(("check_hostname", word),))
    assert heartbeat._tls(place) == {"check_hostname": True}


@pytest.mark.parametrize("service, begins, table", [
    (NOVA, "SELECT host, TIMESTAMPDIFF(SECOND, COALESCE(last_seen_up, updated_at, created_at), UTC_TIMESTAMP())",
     "FROM services WHERE `binary` = 'nova-consoleauth' AND deleted = 0 AND host IN (%s)"),
    (HEAT, "SELECT engine_id, TIMESTAMPDIFF(SECOND, COALESCE(updated_at, created_at), UTC_TIMESTAMP())",
     "FROM service WHERE `binary` = 'heat-engine' AND deleted_at IS NULL AND (host IN (%s) OR hostname IN (%s))")])
def test_the_rows_of_others(database, service, begins, table):
    read(service, names=("ha",))
    (query, values), = database.statements()
    assert query.startswith(begins) and query.endswith(table) and values == ("ha",) * table.count("%s")
    assert ("last_seen_up, updated_at) FROM" in query) is (service is NOVA)


def test_an_authentication_that_needs_cryptography(database):
    database.failing, database.answers = RuntimeError("cryptography"), [(("ha@a", 1, 2, "m"),)]
    assert read().rows == (Row("ha@a", 1, 2, "m"),) and database.drivers == [(False, False), (True, False)]
    assert [one for one in database.done if one[0] == "reach"] == [
        ("reach", "db", 3307, 3.0), ("reach", "db", 3307, 2.0)], "both have the same time"
    database.failing = ImportError
    assert read() == Rows(UNKNOWN, (), "PyMySQL is not installed (apt install python3-pymysql).")


class Text(Exception):
    """An exception without arguments."""

    def __init__(self):
        pass

    def __str__(self):
        return "no  arguments"


@pytest.mark.parametrize("error, outcome, reason", [
    (Exception(1045, "Access denied\n for user"), UNKNOWN, "the database at db:3307 refuses: Access denied for user"),
    (Exception(1146, "no table"), UNKNOWN, "the database at db:3307 refuses: no table"),
    (Exception(2003, "timed out"), UNREACHABLE, "db:3307: no answer within 3 s"),
    (OSError(111, "Connection refused"), UNREACHABLE, "db:3307: Connection refused"),
    (Exception("1045"), UNREACHABLE, "db:3307: 1045"), (Text(), UNREACHABLE, "db:3307: no arguments"),
    (Exception("x" * 161), UNREACHABLE, "db:3307: " + "x" * 160)])
def test_what_a_failure_means(database, error, outcome, reason):
    database.failing = error
    assert read() == Rows(outcome, (), reason)
    database.failing = None
    database.answers = [error]
    assert read() == Rows(outcome, (), reason) and database.done[-2:] == ["cursor closed", "closed"]


# -- whether it takes writes

def refused(service=CINDER, seconds=3.0):
    return heartbeat.refuses_writes(service, PLACE, seconds)


@pytest.mark.parametrize("service, table", [(CINDER, "services"), (HEAT, "service"), (NOVA, "services")])
def test_how_writes_are_tried(database, service, table):
    assert refused(service) == ""
    assert database.statements() == [
        ("SET SESSION lock_wait_timeout = 1",), ("UPDATE %s SET host = host WHERE 1 = 0" % table,),
        ("SELECT STATE, TIME FROM information_schema.PROCESSLIST WHERE COMMAND = 'Query' AND ID <> CONNECTION_ID() AND "
         "TIME >= %s ORDER BY TIME DESC", (heartbeat.WAITS,))]
    assert database.done[0] == ("reach", "db", 3307, 3.0) and database.done[-1] == "closed"


@pytest.mark.parametrize("rows, reason", [
    ((("Waiting for Backup Lock", 70), ("Commit", 9)), "a statement has waited for 70 s: Waiting for Backup Lock"),
    (((None, 80), ("Sending data", 70), ("Commit", 9)), "a statement has waited for 9 s: Commit"),
    ((("starting", 70),), ""), ((), "")])
def test_statements_that_wait(database, rows, reason):
    database.answers = [(), (), rows]
    assert refused() == reason


@pytest.mark.parametrize("error, reason", [
    (Exception(1290, "The server is\n running with --read-only"), "The server is running with --read-only"),
    (Exception(1205, "Lock wait timeout exceeded"), "writes wait for a lock of the whole server"),
    (Exception(2013, "Lost connection"), ""), (Exception(1226, "too many"), ""), (OSError(111, "refused"), ""),
    (Exception("no number"), ""), (Text(), ""), (Exception(1290, "x" * 101), "x" * 100)])
def test_why_writes_are_refused(database, error, reason):
    database.answers = [(), error]
    assert refused() == reason
