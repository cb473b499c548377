# SPDX-License-Identifier: Apache-2.0
"""One HTTP exchange with a time limit for all of it: name, connection, TLS, head and body.

requests limits each wait for the network, so a server that sends a byte now and then holds it for ever, and it does not
limit the wait for a name server. Here each exchange has its own thread; when its time is up, its connection is shut
down and nobody waits for it any more. This module is the only one that imports requests (100 ms).
"""

import errno
import http.client
import socket
import ssl
import threading
from time import monotonic

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
import requests

from quorate.host.names import Unresolved, connect
from quorate.openstack.api.facts import (
    CLOSED, FAILED, GARBAGE, HALF, LONG, NAME, REFUSED, RESET, TIMEOUT, TLS, UNREACHABLE, Reply)

MOST = 4 << 20  # bytes of a body
STALLED_MOST = 8   # abandoned exchanges that have not ended, with which no new one is begun
UNREACHED = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.EHOSTDOWN)


class Client:
    """Makes requests. verify: True, False or the path of a file with certificates of authorities."""

    def __init__(self, verify=True):
        self._verify, self._abandoned = verify, []

    def exchange(self, method, url, seconds, headers=None, json=None):
        """The Reply, within so many seconds. Raises nothing that the server or the network causes."""
        began = monotonic()
        self._abandoned = [one for one in self._abandoned if one.is_alive()]
        if len(self._abandoned) >= STALLED_MOST:
            return Reply(TIMEOUT, "%d earlier requests have not ended" % len(self._abandoned))
        one = _Exchange(self._verify, method, url, max(0.01, seconds), headers or {}, json)
        one.start()
        one.join(max(0.01, seconds))
        reply = one.reply
        if reply is None:
            one.cut()
            self._abandoned.append(one)
            reply = Reply(TIMEOUT, "%s within %g s" % (one.stage, round(seconds, 2)))
        return reply._replace(seconds=monotonic() - began)


class _Exchange(threading.Thread):
    def __init__(self, verify, method, url, seconds, headers, json):
        threading.Thread.__init__(self, daemon=True)
        self._verify, self._method, self._url, self.seconds, self._json = verify, method, url, seconds, json
        self._headers = dict({"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close",
                              "User-Agent": "quorate-api-check"}, **headers)
        self._lock, self._sockets, self._over = threading.Lock(), [], False
        self.stage, self.reply = "no connection", None

    def keep(self, one):
        """Keep a connection that was made in this thread, to shut it down. TLS takes the socket out of its object, so a
        duplicate is kept, which is the same connection."""
        self.stage = "no answer"
        with self._lock:
            copy = one.dup()
            self._sockets.append(copy)
            if self._over:
                copy.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """End the exchange, whose time is up: every wait for the server ends now."""
        with self._lock:
            self._over = True
            for one in self._sockets:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # the server has closed it

    def run(self):
        reply = None
        try:
            reply = self._ask()
        except Exception as error:  # whatever it is, there is no answer, and the text says why
            reply = _failure(error, self.seconds, self.stage)
        finally:
            with self._lock:
                for one in self._sockets:
                    one.close()
                self._sockets = []
            if not self._over:
                self.reply = reply

    def _ask(self):
        with requests.Session() as session:
            session.trust_env = False  # no proxy of the environment, no ~/.netrc: the service itself is asked
            session.headers.clear()
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Adapter())
            with session.request(self._method, self._url, headers=self._headers, json=self._json, timeout=self.seconds,
                                 allow_redirects=False, stream=True, verify=self._verify) as found:
                self.stage = "no end of its answer"
                headers = {name.lower(): value for name, value in found.headers.items()}
                body, size = [], 0
                for part in found.iter_content(65536):
                    body.append(part)
                    size += len(part)
                    if size > MOST:
                        return Reply(LONG, "more than %d MB" % (MOST >> 20), found.status_code)
                length = headers.get("content-length", "")
                if length.isdigit() and size < int(length) and not headers.get("content-encoding"):
                    return Reply(HALF, "%d of %s bytes" % (size, length), found.status_code)
                return Reply(None, None, found.status_code, headers, b"".join(body))


class _Kept:
    """A connection that gives its socket to the exchange. It is made as all of ours are: urllib3 tries one address of a
    name after the other, each for all of the time."""

    def _new_conn(self):
        host = getattr(self, "_dns_host", self.host).strip("[]")
        one = connect(host, self.port, threading.current_thread().seconds)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.current_thread().keep(one)
        return one


class _Plain(_Kept, HTTPConnection):
    pass


class _Secure(_Kept, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments, **named):
        HTTPAdapter.init_poolmanager(self, *arguments, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}


def _failure(error, seconds, stage):
    """The Reply for an exception. requests wraps the exceptions of urllib3, which wrap those of the socket."""
    found = list(_chain(error))

    def first(kind):
        return next((each for each in found if isinstance(each, kind)), None)

    text = str(found[-1]).strip() or type(found[-1]).__name__
    incomplete, name, tls = first(http.client.IncompleteRead), first(socket.gaierror), first(ssl.SSLError)
    if incomplete or first(requests.exceptions.ChunkedEncodingError):
        return Reply(HALF, "the connection ended before the announced length")
    if tls or first(requests.exceptions.SSLError):  # a name that does not match is urllib3's own error
        return Reply(TLS, _tls(tls or found[-1]))
    if first(Unresolved):
        return Reply(NAME, str(first(Unresolved)))
    if name:
        return Reply(NAME, name.strerror or str(name))
    if first(TimeoutError) or first(socket.timeout) or first(requests.exceptions.Timeout):
        return Reply(TIMEOUT, "%s within %g s" % (stage, round(seconds, 2)))
    number = next((each.errno for each in found if isinstance(each, OSError) and each.errno), None)
    if number == errno.ECONNREFUSED:
        return Reply(REFUSED)
    if number in UNREACHED:
        return Reply(UNREACHABLE, next(each.strerror for each in found if getattr(each, "errno", None) == number))
    if number in (errno.ECONNRESET, errno.EPIPE):
        return Reply(RESET)
    if first(http.client.RemoteDisconnected):
        return Reply(CLOSED)
    if first(http.client.HTTPException) or first(requests.exceptions.InvalidHeader) or first(ValueError):
        return Reply(GARBAGE, _printable(text))
    return Reply(FAILED, _printable(text))


def _tls(error):
    """OpenSSL's reason, without its source line."""
    reason = getattr(error, "verify_message", None) or getattr(error, "reason", None) or str(error)
    return _printable(reason.replace("_", " ").lower() if reason.isupper() or "_" in reason else reason)


def _printable(text):
    return "".join(letter if letter.isprintable() else "?" for letter in text[:100])


def _chain(error):
    """An exception and those that it wraps, outermost first."""
    found, waiting = [], [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            waiting += list(one.args) + [getattr(one, "reason", None), one.__cause__, one.__context__]
    return found
