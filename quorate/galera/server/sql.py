# SPDX-License-Identifier: Apache-2.0
"""Asking the server by SQL: connections, the status question, and error codes. Shared by the agent and the check."""

from time import monotonic

from quorate.errors import Unreadable
from quorate.galera.facts import ServerStatus
from quorate.galera.server import health
from quorate.host.mysql import driver

BROKEN = (2006, 2013, 1927, 4031)  # CR_SERVER_GONE_ERROR, CR_SERVER_LOST, ER_CONNECTION_KILLED, ..._INTERACTION_TIMEOUT
QUESTION = ("SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME LIKE "
            "'wsrep%' OR VARIABLE_NAME = 'Threads_connected' UNION ALL SELECT VARIABLE_NAME, VARIABLE_VALUE FROM "
            "information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME IN ('wsrep_desync','wsrep_reject_queries',"
            "'wsrep_sst_donor_rejects_queries','wsrep_sst_method','read_only','pxc_maint_mode',"
            "'wsrep_cluster_address')")
# What the questions depend on, set in their session, because init_connect and the server's globals may say otherwise:
# no transaction stays open and SERIALIZABLE locks nothing (autocommit); names are UTF-8 whatever
# character-set-client-handshake says; no row is cut off (sql_select_limit); a statement that waits for a lock ends in
# the server as well, soon after nobody waits for it. A variable that the server does not know is passed over.
SESSION = ("autocommit = 1", "character_set_results = utf8mb4", "sql_select_limit = 18446744073709551615",
           "sql_big_selects = 1", "lock_wait_timeout = {seconds}", "wsrep_sync_wait = {sync_wait}")
# Executed by MariaDB and by MySQL only. The limits of the server must be longer than ours, and not the global ones.
LIMITS = ("/*M!100101 , max_statement_time = {seconds} */", "/*!50708 , max_execution_time = {seconds}000 */")
PASSED_OVER = (1193, 1227, 1231, 1232, 1238)  # unknown variable, no privilege for it, wrong value or type, read-only
UNDERSTOOD_WRONG = (IndexError, ValueError, TypeError, AssertionError)  # PyMySQL's, for packets of an unexpected form
WANTS_TLS = (1045, 3159)  # REQUIRE SSL says 'access denied' as well; ER_SECURE_TRANSPORT_REQUIRED


class Session:
    """One connection that is made when it is needed, and again after it broke.

    sync_wait: True: an answer waits until all that was delivered to this node before the question is applied; False: it
    waits for nothing, whatever the server's own wsrep_sync_wait says (with 1, a donor whose tables are locked by its
    backup would look hung).
    """

    def __init__(self, settings, sync_wait=False):
        self._settings = settings
        self._connection = None
        self._sync_wait = int(sync_wait)

    def query(self, sql, timeout):
        """All rows, as tuples. timeout: s. Raises OSError and pymysql's errors; the connection is closed then."""
        end = monotonic() + timeout
        try:
            if self._connection is None:
                self._connection = self._connect(end)
                # Not as init_command: PyMySQL 1.0 commits after that, and a server that is not ready for queries, or
                # rejects them, answers a COMMIT with error 1047, but SET and the question with what it knows.
                self._prepare(int(timeout) + 1, end)
            return self._execute(sql, end)
        except BaseException:
            self.close()
            raise

    def _prepare(self, seconds, end):
        """Set what the questions depend on, in one statement where the server knows all of it."""
        values = {"seconds": seconds, "sync_wait": self._sync_wait}
        wanted = [one.format(**values) for one in SESSION]
        try:
            self._execute("SET SESSION %s%s" % (", ".join(wanted), "".join(LIMITS).format(**values)), end)
        except Exception as error:
            if code(error) not in PASSED_OVER:
                raise
            for one in wanted:
                try:
                    self._execute("SET SESSION " + one, end)
                except Exception as unknown:
                    if code(unknown) not in PASSED_OVER:
                        raise

    def _execute(self, sql, end):
        self._connection._read_timeout = self._connection._write_timeout = max(0.05, end - monotonic())
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in row)
                    for row in cursor.fetchall()]

    def status(self, timeout):
        """ServerStatus; raises nothing that the server does, and Unreadable for TLS files that cannot be used. A kept
        connection that broke says nothing of the server, which may have been restarted or told to close it: so it is
        asked once more, on a new connection."""
        kept = self._connection is not None
        status = self._status(timeout)
        return self._status(timeout) if kept and status.errno in BROKEN and "timed out" not in status.error else status

    def _status(self, timeout):
        try:
            try:
                rows = self.query(QUESTION, timeout)
            except Exception as error:
                if code(error) not in (1109, 3167):  # MySQL 8 has moved these tables away
                    raise
                rows = self.query("SHOW GLOBAL STATUS LIKE 'wsrep%'", timeout) + self.query(
                    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_desync','wsrep_reject_queries',"
                    "'wsrep_sst_donor_rejects_queries','wsrep_sst_method','read_only','pxc_maint_mode',"
                    "'wsrep_cluster_address')", timeout)
            return health.wsrep_state(dict(rows), monotonic())
        except Unreadable:
            raise
        except Exception as error:  # any error: the server gave no answer, and the text says why
            return no_answer(error)

    def close(self, goodbye=False):
        """Drop the connection. goodbye: end it in the protocol, because the server counts an aborted connection
        otherwise; not for a hung server, which would not answer."""
        if self._connection is not None:
            try:
                self._connection.close() if goodbye else self._connection._force_close()
            except Exception:
                pass
            self._connection = None

    def _connect(self, end):
        settings = self._settings
        try:
            return self._login(settings.socket, settings.host, settings.port, settings.tls, end)
        except Unreadable:
            raise
        except Exception as error:
            if code(error) in health.TOO_MANY and settings.extra_port:
                return self._login(None, settings.host or "127.0.0.1", settings.extra_port, settings.tls, end)
            if settings.tls is not None or not (code(error) in WANTS_TLS or needs_package(error)):
                raise
            return self._more(error, end)

    def _more(self, error, end):
        """Log in with TLS, after an attempt without was refused, or with the packages that a method needs."""
        settings = self._settings
        try:
            if needs_package(error):
                driver(whole=True)
                return self._login(settings.socket, settings.host, settings.port, None, end)
            from quorate.galera.server.account.tls_options import Tls
            return self._login(settings.socket, settings.host, settings.port, Tls(), end)
        except Exception:  # the first answer says what is wrong
            raise error from None

    def _login(self, socket, host, port, tls, end):
        """A connection. tls: as in Settings; end: monotonic seconds."""
        timeout = max(0.05, end - monotonic())
        options = {"unix_socket": socket} if socket else {"host": host, "port": port}
        # The driver's own encoding of passwords is Latin-1, and its decoding of answers fails for other bytes.
        options.update(user=self._settings.user, password=self._settings.password.encode("utf-8", "surrogateescape"),
                       connect_timeout=timeout, read_timeout=timeout, write_timeout=timeout,
                       autocommit=None, use_unicode=False)
        if tls:
            from quorate.galera.server.account.tls import connect
            return connect(tls, bool(socket), **options)
        return driver().connect(**options)


def needs_package(error):
    """Whether PyMySQL cannot log in without another package (cryptography, pynacl)."""
    return isinstance(error, RuntimeError) and "package is required" in str(error)


def code(error):
    """The server's or PyMySQL's error number, None when there is none."""
    first = error.args[0] if getattr(error, "args", None) else None
    return first if isinstance(first, int) else None


def no_answer(error):
    """ServerStatus of a server that gave no answer. errno 2013 with 'timed out' in the text: it is there and does not
    answer; 2026: TLS failed; 2027: PyMySQL did not understand it; 2059: PyMySQL lacks the account's method."""
    number, text = code(error), str(error.args[-1] if error.args else error)
    if needs_package(error):
        number = 2059
    elif number == 2003 and "_ssl.c" in text and "timed out" not in text:
        number, cause = 2026, getattr(error, "original_exception", None)
        text = str(getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or text)
    elif number is None and isinstance(error, UNDERSTOOD_WRONG):
        number = 2027
    return ServerStatus(answered=False, error=" ".join(text.split())[:160], errno=number, at=monotonic())


def ask(settings, timeout):
    """ServerStatus by a connection of its own. timeout: s. Raises Unreadable as Session.status."""
    session = Session(settings)
    status = session.status(timeout)
    session.close(goodbye=status.answered)
    return status


def rows(settings, sql, timeout, sync_wait=False):
    """The rows of one question, [] when there is no answer: for what is not decisive. timeout: s; sync_wait: as for
    Session."""
    session = Session(settings, sync_wait)
    try:
        found = list(session.query(sql, timeout))
    except Exception:
        return []
    session.close(goodbye=True)
    return found
