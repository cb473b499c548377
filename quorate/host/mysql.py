# SPDX-License-Identifier: Apache-2.0
"""PyMySQL, imported without the modules that most connections do not need.

Every recurring monitor is a fresh process. Therefore the imports that a local connection does not need are suppressed:
cryptography (RSA for caching_sha2_password without TLS), ssl, OpenSSL's hashes (Python's own are as good), configparser,
since the options files are read by quorate.galera.server.account, and re, whose expressions are for INSERT, dates and times.
"""

import _thread  # as in quorate.host.names
import sys

UNNEEDED = ("cryptography", "ssl", "_hashlib", "getpass")


class _Later(type(sys)):
    """A module that is imported at the first access: PyMySQL needs traceback for errors only."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = __import__(self.__name__, fromlist=("*",))
        return getattr(module, name)


class _LaterCalled(_Later):
    """The same where its names are taken when PyMySQL is imported: what they name is found when it is called."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **named: _Later.__getattr__(self, name)(*args, **named)


class _Patterns(_Later):
    """The module re, which is imported and compiles an expression when that is used first."""

    IGNORECASE, DOTALL, VERBOSE = 2, 16, 64

    def compile(self, pattern, flags=0):
        return _Pattern(self, pattern, flags)


class _Pattern:
    def __init__(self, module, pattern, flags):
        self._source = module, pattern, flags

    def __getattr__(self, name):
        module, pattern, flags = self._source
        return getattr(_Later.__getattr__(module, "compile")(pattern, flags), name)


def driver(whole=False, tls=False):
    """The module pymysql. tls: with what TLS needs; whole: also with what MySQL 8's passwords over TCP need."""
    unneeded = [name for name in UNNEEDED if not (whole or (tls and name == "ssl"))]
    loaded = sys.modules.get("pymysql")
    if loaded is not None:
        if not (whole or tls) or set(getattr(loaded, "left_out", ())) <= set(unneeded):
            return loaded
        for name in [name for name in sys.modules if name.partition(".")[0] == "pymysql"]:
            del sys.modules[name]  # it remembers which modules it did not find
    kept = {name: None for name in unneeded if name not in sys.modules}
    if "traceback" not in sys.modules:
        kept["traceback"] = _Later("traceback")
    if "re" not in sys.modules and not (whole or tls):
        kept["re"] = _Patterns("re")
    kept["pymysql.optionfile"] = _LaterCalled("pymysql.optionfile")
    sys.modules.update(kept)
    try:
        import pymysql
    finally:
        for name in kept:
            sys.modules.pop(name, None)
    pymysql.left_out = tuple(unneeded)
    return pymysql


class Limit:
    """Ends all that a connection is asked at a monotonic time: the one that waits for an answer gets an error then.

    PyMySQL's own limits hold for each read and write alone. A database that is late with every packet, or a network that
    loses many, could hold a monitor for a multiple of them. To be used in a `with` statement, before connect();
    connection: of PyMySQL; over: whether the time was over.
    """

    def __init__(self, connection, end):
        self.over, self._connection, self._end = False, connection, end
        self._done = _thread.allocate_lock()

    def __enter__(self):
        from time import monotonic
        self._done.acquire()
        _thread.start_new_thread(self._watch, (max(0.0, self._end - monotonic()),))
        return self

    def __exit__(self, *_):
        self._done.release()

    def _watch(self, seconds):
        import socket
        while not self._done.acquire(True, seconds):
            self.over, seconds = True, 0.05  # while it connects there is no socket yet
            try:
                # Not the method of a socket with TLS: that would be in the way of who reads from it.
                socket.socket.shutdown(self._connection._sock, socket.SHUT_RDWR)
            except (OSError, AttributeError, TypeError):
                continue
