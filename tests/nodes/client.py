# SPDX-License-Identifier: Apache-2.0
"""Stands for PyMySQL: connections to the server of the machine that asks."""

import pymysql

from tests.nodes.machine import here


class Driver:
    """Stands for the module pymysql."""

    MySQLError = pymysql.MySQLError

    @staticmethod
    def connect(unix_socket=None, **_):
        machine = here()
        server = machine.service.server
        process = machine.processes.get(server.pid) if server is not None else None
        if process is None or not unix_socket.startswith(machine.root):
            raise pymysql.OperationalError(2003, "Can't connect to server on 'localhost' ([Errno 2] No such file)")
        if server.status() is None:
            raise pymysql.OperationalError(2003, "Can't connect to server on 'localhost' ([Errno 111] refused)")
        if machine.service.refuses:
            raise pymysql.OperationalError(*machine.service.refuses)
        return Connection(machine, server)


class Connection:
    def __init__(self, machine, server):
        self._machine, self._server = machine, server
        self._read_timeout = self._write_timeout = None
        self._rows = []
        self._waits = False     # wsrep_sync_wait

    def cursor(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def execute(self, statement):
        if self._machine.service.hangs:
            self._machine.clock.sleep(self._read_timeout)
            raise pymysql.OperationalError(2013, "Lost connection to MySQL server during query (timed out)")
        if self._machine.service.server is not self._server:
            raise pymysql.OperationalError(2013, "Lost connection to MySQL server during query")
        if "wsrep_sync_wait = " in statement:
            self._waits = statement.partition("wsrep_sync_wait = ")[2][:1] != "0"
        elif self._waits and not self._server.catch_up():
            self._machine.clock.sleep(self._read_timeout)
            raise pymysql.OperationalError(1205, "Lock wait timeout exceeded; try restarting transaction")
        self._rows = self._server.answer(statement)

    def fetchall(self):
        return self._rows

    def close(self):
        pass

    _force_close = close
