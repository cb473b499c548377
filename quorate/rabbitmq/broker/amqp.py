# SPDX-License-Identifier: Apache-2.0
"""Ask the broker in AMQP 0-9-1: by a bare handshake that needs no credentials, or on one connection that is kept.

The bare handshake is what a monitor can afford: 17 ms of CPU in a fresh process against 50 with pika (and 400 with
rabbitmqctl). It proves that the broker accepts connections and answers: it reads the greeting (Connection.Start) and
closes. The broker logs two lines for each; the kept connection of the check causes none.
"""

from collections import namedtuple
from time import monotonic

HEADER = b"AMQP\0\0\x09\x01"
PORT = 5672
_START = b"\0\x0a\0\x0a"  # class 10 (connection), method 10 (start), behind the seven bytes of the frame's header
_PUBLIC = "The broker"


class Handshake(namedtuple("Handshake", "listening answered error refused", defaults=(None, None))):
    """What a handshake showed, as fields of facts.Broker. listening: False: connection refused; None: unknown;
    answered: True: it greeted; False: not in time; None: it gave no answer and did not hang, see error; refused: True:
    it answered in TLS that it does not talk to us, for want of a client certificate as a rule."""

    __slots__ = ()


class SessionResult(namedtuple("SessionResult", "handshake refused full", defaults=(False, False))):
    """What a session found out. handshake: Handshake, or None: there was no connection, and only a bare handshake
    explains why; refused: the credentials were refused; full: the broker's limit of connections is reached."""

    __slots__ = ()


class NoAnswer(Exception):
    """The time was over before the broker had answered."""


def handshake(host, port, timeout, tls=False, certificate=None):
    """The Handshake with the broker there. certificate: see credentials.Endpoint. Never raises for what the broker
    does."""
    import socket
    from quorate.host.names import connect
    end = monotonic() + timeout
    try:
        one = connect(host, port, max(0.01, timeout))
    except ConnectionRefusedError:
        return Handshake(False, None, "Nothing listens on %s port %d." % (host, port))
    except (socket.timeout, BlockingIOError):  # its queue of connections is full
        return Handshake(None, False, "%s did not accept a connection on port %d within %g s."
                         % (_PUBLIC, port, timeout))
    except OSError as error:
        return Handshake(None, None, "%s cannot be reached on %s port %d: %s."
                         % (_PUBLIC, host, port, error.strerror or error))
    established = False
    try:
        with _secured(one, host, end, certificate) if tls else one as one:
            established = tls
            one.sendall(HEADER)
            data = _receive(one, end)
            return _refused(port, None, certificate) if tls and not data else parse_greeting(data, port)
    except socket.timeout:
        return Handshake(True, False, "%s accepted a connection on port %d and did not answer for %g s."
                         % (_PUBLIC, port, timeout))
    except OSError as error:
        reason = getattr(error, "reason", None)
        if tls and (established or is_refusal(reason)):
            return _refused(port, reason, certificate)
        return Handshake(True, None, "%s broke the connection on port %d: %s."
                         % (_PUBLIC, port, error.strerror or error))


def connects(host, port, timeout):
    """Whether connections are accepted there. That proves little, since the kernel accepts them for a stopped process
    as well, until its queue is full; but the broker logs nothing about a connection that sends nothing."""
    from quorate.host.names import connect
    try:
        with connect(host, port, max(0.01, timeout)):
            return True
    except OSError:
        return False


def parse_greeting(data, port):
    """The Handshake by the first bytes that came. Pure."""
    if data[:1] == b"\x01" and data[7:11] == _START:
        return Handshake(True, True)
    if not data:
        return Handshake(True, None, "%s closed the connection on port %d without an answer: it may expect TLS there, "
                         "or have no connection left." % (_PUBLIC, port))
    return Handshake(True, None, "What listens on port %d does not speak AMQP 0-9-1." % port)


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


def _secured(one, host, end, certificate):
    """TLS without a check of the certificate, and with whatever the broker still accepts: it only has to answer, and no
    secret is sent. A certificate of ours that cannot be used is left out."""
    import ssl
    try:
        how = tls_context(None, certificate)
    except OSError:
        how = tls_context()
    how.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    how.set_ciphers("ALL:@SECLEVEL=0")
    one.settimeout(max(0.01, end - monotonic()))
    return how.wrap_socket(one, server_hostname=host)


def is_refusal(reason):
    """Whether an error of TLS (OpenSSL's name for it) is an answer of the other side, and of TLS at that: it lives, and
    does not talk to us."""
    return bool(reason) and ("_ALERT_" in reason or reason in ("UNSUPPORTED_PROTOCOL", "DH_KEY_TOO_SMALL",
                                                               "EE_KEY_TOO_SMALL", "NO_CIPHERS_AVAILABLE"))


def _refused(port, reason, certificate):
    """The Handshake with a broker that answered in TLS and then ended the connection.

    A client without the certificate that is demanded gets SSLV3_ALERT_HANDSHAKE_FAILURE with TLS 1.2. With TLS 1.3 its
    own handshake is done before the broker refuses it: it gets TLSV13_ALERT_CERTIFICATE_REQUIRED, or, if it was writing
    already, only the end of the connection (Erlang's ssl of OTP 25; both are seen)."""
    why = (reason or "").lower().replace("_", " ")
    if certificate:
        return Handshake(True, True, "TLS refuses ssl_cert on port %d (%s)." % (port, why or "it ended"), True)
    if "PROTOCOL" in (reason or "") and "EOF" not in reason:
        return Handshake(True, True, "TLS is refused on port %d (%s)." % (port, why), True)
    return Handshake(True, True, "TLS wants a certificate: set ssl_cert, ssl_key.", True)


class Session:
    """One connection with credentials, opened when it is needed and again when it broke. `ask` sends a request on its
    channel and waits for the answer: the broker reads, works and writes, and logs nothing.

    endpoint: quorate.rabbitmq.broker.credentials.Endpoint
    """

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self._connection, self._channel = None, None
        self._done, self._error = False, None

    def ask(self, timeout):
        """The SessionResult by the kept connection, or by a new one."""
        end = monotonic() + timeout
        kept = self._channel is not None
        error = self._ask(end)
        if error is not None and kept and not isinstance(error, NoAnswer):
            error = self._ask(end)  # a kept connection that broke proves nothing about the broker: ask on a new one
        return session_result(error, self.endpoint.port, timeout)

    def _ask(self, end):
        """None, or what went wrong."""
        try:
            if self._channel is None:
                self._connect(end)
            self._done = self._error = None
            self._channel.basic_qos(prefetch_count=1, callback=self._finish)
            self._wait(end)
            return None
        except Exception as error:  # pika has several families of exceptions; whatever it is, there was no answer
            self.close()
            return error

    def _connect(self, end):
        pika = driver()
        endpoint = self.endpoint
        how = {}
        if endpoint.tls:
            how["ssl_options"] = pika.SSLOptions(tls_context(endpoint.cafile, endpoint.certificate), endpoint.host)
        left = max(0.05, end - monotonic())
        parameters = pika.ConnectionParameters(
            endpoint.host, endpoint.port, endpoint.vhost, pika.PlainCredentials(endpoint.user, endpoint.password),
            heartbeat=60,
            socket_timeout=left, stack_timeout=left, connection_attempts=1,
            client_properties={"connection_name": "quorate rabbitmq-check"}, **how)
        self._done = self._error = None
        self._connection = pika.SelectConnection(
            parameters, on_open_callback=self._opened, on_open_error_callback=self._failed,
            on_close_callback=self._failed)
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
        """Run pika's loop until the answer is there. Raises the error of the connection, or NoAnswer."""
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
        """Drop the connection. goodbye: close it in AMQP first, because the broker logs a warning for a connection that
        just breaks; a hung broker would not answer that."""
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
        except Exception:  # the connection is dropped in any case
            pass


def driver():
    """The module pika, with its log messages off: they would go to standard error, beside ours."""
    import logging
    import pika
    logger = logging.getLogger("pika")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    return pika


def tls_context(cafile=None, certificate=None):
    """An SSLContext; without a file of authorities the certificate is not checked, which credentials.merged allows only
    for this machine. certificate: (file, file of its key or None) of the client. Raises OSError for files that cannot
    be used."""
    import ssl
    how = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if cafile:
        how.load_verify_locations(cafile)
    else:
        how.check_hostname, how.verify_mode = False, ssl.CERT_NONE
    if certificate:
        how.load_cert_chain(*certificate)
    return how


def session_result(error, port, timeout):
    """The SessionResult for an error (None: an answer). Pure: it goes by the names of pika's classes, without importing
    pika."""
    if error is None:
        return SessionResult(Handshake(True, True))
    names = {one.__name__ for one in type(error).__mro__}
    text = " ".join(str(error.args[-1] if error.args else error).split())[:160] or type(error).__name__
    if isinstance(error, NoAnswer) or "AMQPHeartbeatTimeout" in names:
        return SessionResult(
            Handshake(True, False, "%s did not answer on port %d for %g s." % (_PUBLIC, port, timeout)))
    if names & {"ProbableAuthenticationError", "AuthenticationError", "ProbableAccessDeniedError"}:
        full = "limit" in text and "reached" in text
        return SessionResult(Handshake(True, True, text), refused=not full, full=full)
    return SessionResult(None)
