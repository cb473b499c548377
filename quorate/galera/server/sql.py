# SPDX-License-Identifier: Apache-2.0
"""Asking the server: one connection, one question, errors told apart. Shared by the agent and the check."""

from time import monotonic

from quorate.galera.facts import ServerStatus
from quorate.galera.server import health
from quorate.host.mysql import driver

BROKEN = (2006, 2013, 1927, 4031)  # CR_SERVER_GONE_ERROR, CR_SERVER_LOST, ER_CONNECTION_KILLED, ..._INTERACTION_TIMEOUT
QUESTION = ("SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME LIKE 'wsrep%' "
            "OR VARIABLE_NAME = 'Threads_connected' UNION ALL SELECT VARIABLE_NAME, VARIABLE_VALUE FROM "
            "information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME IN ('wsrep_desync','wsrep_reject_queries',"
            "'wsrep_sst_donor_rejects_queries','wsrep_sst_method','read_only','pxc_maint_mode')")


class Session:
    """One connection that is made when it is needed and again when it broke."""

    def __init__(self, how):
        self.how = how
        self._connection = None

    def query(self, sql, timeout):
        """All rows, as tuples. Raises OSError and pymysql's errors; then the connection is gone."""
        end = monotonic() + timeout
        try:
            if self._connection is None:
                self._connection = self._connect(timeout)
            self._connection._read_timeout = self._connection._write_timeout = max(0.05, end - monotonic())
            with self._connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall()
        except BaseException:
            self.close()
            raise

    def status(self, timeout):
        """ServerStatus; never raises for what the server does. A kept connection that broke says nothing of the server,
        which may have been restarted or told to close it: it is asked once more, on a new one."""
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
        except Exception as error:  # whatever it is: the server gave no answer, and the text says which way
            return silent(error)

    def close(self, goodbye=False):
        """Drop the connection. goodbye: tell the server, or its log counts an aborted connection; a hung one would not
        hear it."""
        if self._connection is not None:
            try:
                self._connection.close() if goodbye else self._connection._force_close()
            except Exception:
                pass
            self._connection = None

    def _connect(self, timeout):
        pymysql = driver()
        how = self.how

        def connect(**where):
            return pymysql.connect(user=how.user, password=how.password, connect_timeout=max(0.05, timeout),
                                   read_timeout=timeout, write_timeout=timeout, autocommit=True, init_command=None, **where)

        try:
            return connect(**({"unix_socket": how.socket} if how.socket else {"host": how.host, "port": how.port}))
        except pymysql.MySQLError as error:
            if code(error) not in health.TOO_MANY or not how.extra_port:
                raise
            return connect(host=how.host or "127.0.0.1", port=how.extra_port)


def code(error):
    """The server's or PyMySQL's error number, None when there is none."""
    first = error.args[0] if getattr(error, "args", None) else None
    return first if isinstance(first, int) else None


def silent(error):
    """ServerStatus of a server that gave no answer. errno 2013 with 'timed out' in the text: it is there and silent."""
    number = code(error)
    text = " ".join(str(error.args[-1] if error.args else error).split())[:160]
    return ServerStatus(answered=False, error=text, errno=number, at=monotonic())


def ask(how, timeout):
    """ServerStatus by a connection of its own."""
    session = Session(how)
    status = session.status(timeout)
    session.close(goodbye=status.answered)
    return status


def rows(how, sql, timeout):
    """The rows of one question, [] when there is no answer: for what is good to know and not decisive."""
    session = Session(how)
    try:
        found = list(session.query(sql, timeout))
    except Exception:
        return []
    session.close(goodbye=True)
    return found
