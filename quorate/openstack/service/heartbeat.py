# SPDX-License-Identifier: Apache-2.0
"""The heartbeat that a service writes into its database, read with its own account.

Tables and columns: cinder/db/sqlalchemy/models.py (Service), heat/db/models.py (Service), nova/db/main/models.py
(Service); times are UTC, by the clock of the service's node. Only names, times and numbers of reports are read.
"""

from quorate.openstack.facts import ANSWERED, UNKNOWN, UNREACHABLE, Row, Rows

_SELECT = ("SELECT {name}, TIMESTAMPDIFF(SECOND, COALESCE({times}, created_at), UTC_TIMESTAMP()), "
           "TIMESTAMPDIFF(SECOND, created_at, UTC_TIMESTAMP()), CONCAT_WS(' ', created_at, {marks}) FROM ")
_NAMED = "services WHERE `binary` = '{service}' AND deleted = 0 AND host IN ({names})"
_ENGINES = ("service WHERE `binary` = 'heat-engine' AND deleted_at IS NULL AND (host IN ({names}) OR hostname IN "
            "({names}))")


def _select(name, times, marks):
    return _SELECT.replace("{name}", name).replace("{times}", times).replace("{marks}", marks)


QUERIES = {
    "cinder": _select("host", "updated_at", "report_count, updated_at") + _NAMED,
    "nova": _select("host", "last_seen_up, updated_at", "report_count, last_seen_up, updated_at") + _NAMED,
    "heat": _select("engine_id", "updated_at", "updated_at") + _ENGINES,
}
LOCK_WAIT = 1205
LOST = (2002, 2003, 2006, 2013, 1040, 1226)  # no connection, or none left: nothing is known of writes
WAITS = 5  # seconds after which a statement that waits is no short wait
# In the states of a statement whose commit waits for what holds up all commits (sql/log.cc, sql/wsrep_*.cc of MariaDB).
COMMITS = ("commit", "binlog", "global read lock", "backup lock", "flow control")
REFUSED = (1044, 1045, 1049, 1142, 1146, 1698)  # access, no such schema or table: it answers, but not this question


def read(service, address, names, seconds):
    """The Rows of these names. Raises nothing that the database causes, and ends within about `seconds`."""
    query, marks = QUERIES[service.row], ", ".join(["%s"] * len(names))

    def question(cursor):
        cursor.execute(query.replace("{names}", marks).replace("{service}", service.name),
                       tuple(names) * query.count("{names}"))
        return cursor.fetchall()

    try:
        rows = _asked(address, seconds, question)
    except ImportError:
        return Rows(UNKNOWN, (), "PyMySQL is not installed (apt install python3-pymysql).")
    except Exception as error:  # whatever it is, there is no answer, and the text says why
        return _failure(error, address, seconds)
    return Rows(ANSWERED, tuple(
        Row(str(name), _seconds(age), _seconds(created), str(mark)) for name, age, created, mark in rows))


def refuses_writes(service, address, seconds):
    """Why the database, which can be read, takes no writes from this account, or lets them wait; '': it does, or that
    is not known. To be asked where the heartbeat stands still: nothing is written, the statement changes no row. It is
    refused all the same where the server is read-only, and waits where all writes do (a donor of Galera's, a backup). A
    commit that waits, for a full disk as a rule, is seen among the connections of the account."""
    table = "service" if service.row == "heat" else "services"

    def question(cursor):
        cursor.execute("SET SESSION lock_wait_timeout = 1")
        cursor.execute("UPDATE %s SET host = host WHERE 1 = 0" % table)
        cursor.execute("SELECT STATE, TIME FROM information_schema.PROCESSLIST WHERE COMMAND = 'Query' AND "
                       "ID <> CONNECTION_ID() AND TIME >= %s ORDER BY TIME DESC", (WAITS,))
        return next(("a statement has waited for %d s: %s" % (time, state) for state, time in cursor.fetchall()
                     if any(word in (state or "").lower() for word in COMMITS)), "")

    try:
        return _asked(address, seconds, question)
    except Exception as error:
        number = error.args[0] if getattr(error, "args", None) else None
        if isinstance(error, OSError) or not isinstance(number, int) or number in LOST:
            return ""
        return "writes wait for a lock of the whole server" if number == LOCK_WAIT else " ".join(
            str(error.args[-1]).split())[:100]


def _asked(address, seconds, question):
    """What question(cursor) gives, with the account of the service, within about `seconds` in all. Raises what it and
    PyMySQL raise, and TimeoutError."""
    from time import monotonic
    from quorate.host.mysql import driver
    end = monotonic() + seconds
    try:
        return _once(driver(tls=address.tls), address, end, question)
    except RuntimeError:  # an authentication that needs cryptography
        return _once(driver(True), address, end, question)


def _once(pymysql, address, end, question):
    from time import monotonic
    from quorate.host.mysql import Limit
    from quorate.host.names import connect
    known = arguments(address)
    if "read_default_file" in known:  # it may say where the database is
        found = pymysql.connect(defer_connect=True, **known)
        address = address._replace(socket=found.unix_socket, host=found.host, port=found.port)
        known = dict(arguments(address), user=found.user, password=found.password)
    one = None
    if not address.socket:
        # PyMySQL's own look-up has no time limit, and it tries one address after the other, each for its whole
        # connect_timeout.
        one = connect(address.host, address.port, max(0.1, end - monotonic()))
    left = max(0.1, end - monotonic())
    connection = pymysql.connect(autocommit=True, connect_timeout=left, read_timeout=left, write_timeout=left,
                                 defer_connect=True, **known)
    limit = Limit(connection, end)
    try:
        with limit:
            connection.connect(one)
            try:
                with connection.cursor() as cursor:
                    return question(cursor)
            finally:
                connection.close()
    except Exception:
        if limit.over:
            raise TimeoutError("timed out") from None
        raise


def arguments(address):
    """PyMySQL's arguments about place, account and TLS, as SQLAlchemy makes them of the URL: a dict."""
    found = dict(address.options)
    if address.socket:
        found["unix_socket"] = address.socket
    elif "read_default_file" not in found or address.host != "localhost":  # else the file may say where it is
        found.update(host=address.host, port=address.port)
    # A text would be sent in Latin-1; servers and clients use UTF-8.
    password = (address.password or "").encode("utf-8", "surrogateescape")
    found.update(user=address.user, password=password, database=address.name)
    if address.tls and (address.certificates or not address.options):
        found["ssl"] = _tls(address)
    return found


def _tls(address):
    """PyMySQL's argument ssl, as SQLAlchemy makes it of the URL."""
    found = dict(address.certificates) or {"check_hostname": False}
    if isinstance(found.get("check_hostname"), str):
        found["check_hostname"] = found["check_hostname"].strip().lower() in ("true", "yes", "on", "y", "t", "1")
    return found


def _failure(error, address, seconds):
    """What an exception of PyMySQL says about the database, as Rows. Its text holds no password."""
    number = error.args[0] if getattr(error, "args", None) and isinstance(error.args[0], int) else None
    text = " ".join(str(error.args[-1] if getattr(error, "args", None) else error).split())[:160]
    if number in REFUSED:
        return Rows(UNKNOWN, (), "the database at %s refuses: %s" % (address.shown, text))
    if "timed out" in text:
        text = "no answer within %g s" % seconds
    return Rows(UNREACHABLE, (), "%s: %s" % (address.shown, text))


def _seconds(value):
    return None if value is None else int(value)
