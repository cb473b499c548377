# SPDX-License-Identifier: Apache-2.0
"""Asking the server by SQL: connections, the status question, and error codes. Shared by the agent and the check."""

from time import monotonic

from quorate.galera.facts import ServerStatus
from quorate.galera.server import health
from quorate.host.mysql import driver

BROKEN = (2006, 2013, 1927, 4031)  # CR_SERVER_GONE_ERROR, CR_SERVER_LOST, ER_CONNECTION_KILLED, ..._INTERACTION_TIMEOUT
QUESTION = ("SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME LIKE "
            "'wsrep%' OR VARIABLE_NAME = 'Threads_connected' UNION ALL SELECT VARIABLE_NAME, VARIABLE_VALUE FROM "
            "information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME IN ('wsrep_desync','wsrep_reject_queries',"
            "'wsrep_sst_donor_rejects_queries','wsrep_sst_method','read_only','pxc_maint_mode')")


class Session:
    """One connection that is made when it is needed, and again after it broke.

    sync_wait: True: an answer waits until all that was delivered to this node before the question is applied; False: it
    waits for nothing, whatever the server's own wsrep_sync_wait says (with 1, a donor whose tables are locked by its
    backup would look hung).
    """

    def __init__(self, settings, sync_wait=False):
        self._settings = settings
        self._connection = None
        self._first = "SET SESSION wsrep_sync_wait = %d" % sync_wait

    def query(self, sql, timeout):
        """All rows, as tuples. timeout: s. Raises OSError and pymysql's errors; the connection is closed then."""
        end = monotonic() + timeout
        try:
            if self._connection is None:
                self._connection = self._connect(timeout)
                # Not as init_command: PyMySQL 1.0 commits after that, and a server that is not ready for queries, or
                # rejects them, answers a COMMIT with error 1047, but SET and the question with what it knows.
                self._execute(self._first, end)
            return self._execute(sql, end)
        except BaseException:
            self.close()
            raise

    def _execute(self, sql, end):
        self._connection._read_timeout = self._connection._write_timeout = max(0.05, end - monotonic())
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def status(self, timeout):
        """ServerStatus; never raises for what the server does. A kept connection that broke says nothing of the server,
        which may have been restarted or told to close it: so it is asked once more, on a new connection."""
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
                    "'wsrep_sst_donor_rejects_queries','wsrep_sst_method','read_only','pxc_maint_mode')", timeout)
            return health.wsrep_state(dict(rows), monotonic())
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

    def _connect(self, timeout):
        pymysql = driver()
        settings = self._settings

        def connect(**where):
            return pymysql.connect(user=settings.user, password=settings.password, connect_timeout=max(0.05, timeout),
                                   read_timeout=timeout, write_timeout=timeout, autocommit=True, **where)

        try:
            return connect(**({"unix_socket": settings.socket} if settings.socket
                              else {"host": settings.host, "port": settings.port}))
        except pymysql.MySQLError as error:
            if code(error) not in health.TOO_MANY or not settings.extra_port:
                raise
            return connect(host=settings.host or "127.0.0.1", port=settings.extra_port)


def code(error):
    """The server's or PyMySQL's error number, None when there is none."""
    first = error.args[0] if getattr(error, "args", None) else None
    return first if isinstance(first, int) else None


def no_answer(error):
    """ServerStatus of a server that gave no answer. errno 2013 with 'timed out' in the text: it is there and does not
    answer."""
    number = code(error)
    text = " ".join(str(error.args[-1] if error.args else error).split())[:160]
    return ServerStatus(answered=False, error=text, errno=number, at=monotonic())


def ask(settings, timeout):
    """ServerStatus by a connection of its own. timeout: s."""
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
