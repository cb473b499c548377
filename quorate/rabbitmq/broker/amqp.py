# SPDX-License-Identifier: Apache-2.0
"""Asking the broker in AMQP 0-9-1: a bare handshake that needs no credentials, and one connection that is kept.

The bare one is what a monitor can afford: 17 ms of CPU in a fresh process against 50 with pika (and 400 with rabbitmqctl). It
proves that the broker accepts connections and answers: it takes its greeting (Connection.Start) and goes. The broker writes
two lines into its log for each such visitor; the kept connection of the check leaves none.
"""

from collections import namedtuple
from time import monotonic

HEADER = b"AMQP\0\0\x09\x01"
PORT = 5672
_START = b"\0\x0a\0\x0a"  # class 10 (connection), method 10 (start), behind the seven bytes of the frame's header
_PUBLIC = "The broker"


class Hello(namedtuple("Hello", "listening answered error", defaults=(None,))):
    """What a handshake showed: fields of facts.Broker. listening: False: connection refused; None: cannot be told;
    answered: True: it greeted; False: not in time; None: it gave no answer and did not hang, see error."""

    __slots__ = ()


class Word(namedtuple("Word", "hello refused full", defaults=(False, False))):
    """What a session learnt. hello: Hello, or None: the connection came to nothing, which only a bare handshake explains;
    refused: not these credentials; full: the broker's limit of connections is reached."""

    __slots__ = ()


class NoAnswer(Exception):
    """The time was over before the broker had answered."""


def hello(host, port, timeout, tls=False):
    """Hello of the broker there. Never raises for what the broker does."""
    import socket
    from quorate.host.names import connect
    end = monotonic() + timeout
    try:
        one = connect(host, port, max(0.01, timeout))
    except ConnectionRefusedError:
        return Hello(False, None, "Nobody listens on %s port %d." % (host, port))
    except (socket.timeout, BlockingIOError):  # its queue of connections is full
        return Hello(None, False, "%s did not take a connection on port %d within %g s." % (_PUBLIC, port, timeout))
    except OSError as error:
        return Hello(None, None, "%s cannot be reached on %s port %d: %s." % (_PUBLIC, host, port, error.strerror or error))
    try:
        with _secured(one, host, end) if tls else one as one:
            one.sendall(HEADER)
            return greeting(_receive(one, end), port)
    except socket.timeout:
        return Hello(True, False, "%s took a connection on port %d and said nothing for %g s." % (_PUBLIC, port, timeout))
    except OSError as error:
        return Hello(True, None, "%s broke the connection on port %d: %s." % (_PUBLIC, port, error.strerror or error))


def connects(host, port, timeout):
    """Whether somebody takes connections there. It says little, since a stopped process takes them as well until its queue is
    full; but the broker logs nothing of a visitor that says nothing."""
    from quorate.host.names import connect
    try:
        with connect(host, port, max(0.01, timeout)):
            return True
    except OSError:
        return False


def greeting(data, port):
    """Hello by the first bytes that came. Pure."""
    if data[:1] == b"\x01" and data[7:11] == _START:
        return Hello(True, True)
    if not data:
        return Hello(True, None, "%s closed the connection on port %d without a word: it may want TLS there, or have no "
                                 "connection left." % (_PUBLIC, port))
    return Hello(True, None, "What listens on port %d does not speak AMQP 0-9-1." % port)


def _receive(one, end):
    """The first bytes: enough to know what they are, or all that comes."""
    got = b""
    while len(got) < 11:
        one.settimeout(max(0.01, end - monotonic()))
        more = one.recv(4096)
        if not more:
            break
        got += more
    return got


def _secured(one, host, end):
    """TLS without looking at the certificate: it is asked whether it answers, and told no secret."""
    import ssl
    how = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    how.check_hostname, how.verify_mode = False, ssl.CERT_NONE
    one.settimeout(max(0.01, end - monotonic()))
    return how.wrap_socket(one, server_hostname=host)


class Session:
    """One connection with credentials, made when it is needed and again when it broke. `ask` is a question to a channel of
    its own and the answer to it: the broker reads, works and writes, and writes nothing into its log.

    where: quorate.rabbitmq.broker.credentials.Where
    """

    def __init__(self, where):
        self.where = where
        self._connection, self._channel = None, None
        self._done, self._error = False, None

    def ask(self, timeout):
        """Word by the kept connection, or by a new one."""
        end = monotonic() + timeout
        kept = self._channel is not None
        error = self._ask(end)
        if error is not None and kept and not isinstance(error, NoAnswer):
            error = self._ask(end)  # a kept connection that broke says nothing of the broker: it is asked on a new one
        return verdict(error, self.where.port, timeout)

    def _ask(self, end):
        """None, or what went wrong."""
        try:
            if self._channel is None:
                self._connect(end)
            self._done = self._error = None
            self._channel.basic_qos(prefetch_count=1, callback=self._finish)
            self._wait(end)
            return None
        except Exception as error:  # pika has several families of them; whatever it is, there was no answer
            self.close()
            return error

    def _connect(self, end):
        pika = driver()
        where = self.where
        how = {"ssl_options": pika.SSLOptions(tls_context(where.cafile), where.host)} if where.tls else {}
        left = max(0.05, end - monotonic())
        parameters = pika.ConnectionParameters(
            where.host, where.port, where.vhost, pika.PlainCredentials(where.user, where.password), heartbeat=60,
            socket_timeout=left, stack_timeout=left, connection_attempts=1,
            client_properties={"connection_name": "quorate rabbitmq-check"}, **how)
        self._done = self._error = None
        self._connection = pika.SelectConnection(
            parameters, on_open_callback=self._opened, on_open_error_callback=self._failed, on_close_callback=self._failed)
        self._wait(end)

    def _opened(self, connection):
        self._channel = connection.channel(on_open_callback=self._finish)
        self._channel.add_on_close_callback(self._failed)

    def _finish(self, _answer):
        self._done = True
        self._connection.ioloop.stop()

    def _failed(self, _what, error):
        self._error = error
        if self._connection is not None:
            self._connection.ioloop.stop()

    def _wait(self, end):
        """Let pika work until the answer is there. Raises what it failed with, or NoAnswer."""
        loop = self._connection.ioloop
        timer = loop.call_later(max(0.01, end - monotonic()), loop.stop)
        try:
            if not self._done and self._error is None:
                loop.start()
        finally:
            loop.remove_timeout(timer)
        if self._error is not None:
            raise self._error
        if not self._done:
            raise NoAnswer("no answer")

    def close(self, goodbye=False):
        """Drop the connection. goodbye: take leave of the broker, which logs the end of a connection that just broke as a
        warning; a hung one would not hear it."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is None:
            return
        try:
            if goodbye and connection.is_open:
                connection.close()
                timer = connection.ioloop.call_later(0.5, connection.ioloop.stop)
                connection.add_on_close_callback(lambda *_: connection.ioloop.stop())
                connection.ioloop.start()
                connection.ioloop.remove_timeout(timer)
            connection.ioloop.close()
        except Exception:  # it is given up in any case
            pass


def driver():
    """pika, which would else tell standard error what we tell in a sentence."""
    import logging
    import pika
    logger = logging.getLogger("pika")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    return pika


def tls_context(cafile=None):
    """An SSLContext; without a file of authorities the certificate is not looked at, which where.py allows on this machine
    only."""
    import ssl
    how = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if cafile:
        how.load_verify_locations(cafile)
    else:
        how.check_hostname, how.verify_mode = False, ssl.CERT_NONE
    return how


def verdict(error, port, timeout):
    """Word for what a session met. Pure: by the names of pika's classes, which is not imported here."""
    if error is None:
        return Word(Hello(True, True))
    names = {one.__name__ for one in type(error).__mro__}
    text = " ".join(str(error.args[-1] if error.args else error).split())[:160] or type(error).__name__
    if isinstance(error, NoAnswer) or "AMQPHeartbeatTimeout" in names:
        return Word(Hello(True, False, "%s said nothing on port %d for %g s." % (_PUBLIC, port, timeout)))
    if names & {"ProbableAuthenticationError", "AuthenticationError", "ProbableAccessDeniedError"}:
        full = "limit" in text and "reached" in text
        return Word(Hello(True, True, text), refused=not full, full=full)
    return Word(None)
