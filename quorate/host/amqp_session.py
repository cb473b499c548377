# SPDX-License-Identifier: Apache-2.0
"""A connection to a broker with credentials, in which every step has a deadline: look-up, connection, TLS, handshake,
each request, close.

pika's blocking connection has none for a request: with a broker that finishes the handshake and then is silent it waits
for ever, also in close(). Its other connection (SelectConnection) does each step by callbacks, and its loop is run here
until the answer is there or the time is over.
"""

from time import monotonic

from quorate.host import amqp

GOODBYE = 0.5  # seconds for the farewell, at most


class NoAnswer(Exception):
    """The time was over before the broker had answered."""


class Session:
    """One connection with one channel, opened when it is needed and again when it broke.

    endpoint: has host, port, vhost, user, password, tls, cafile (None: the certificate is not checked), certificate
    ((file, file of its key) of the client, or None); check_hostname, where it is False, leaves the name in the broker's
    certificate unchecked. name: that the broker shows for the connection; heartbeat: seconds, 0: none
    """

    def __init__(self, endpoint, name="quorate rabbitmq-check", heartbeat=60):
        self.endpoint, self.name, self.heartbeat = endpoint, name, heartbeat
        self.connection, self.channel = None, None
        self.blocked = None  # the broker's reason for taking no messages, while it takes none
        self._error = None

    def ask(self, timeout):
        """The amqp.SessionResult by the kept connection, or by a new one. It sends a request on the channel and waits
        for the answer: the broker reads, works and writes, and logs nothing."""
        end = monotonic() + timeout
        kept = self.channel is not None
        error = self._ask(end)
        if error is not None and kept and not isinstance(error, NoAnswer):
            error = self._ask(end)  # a kept connection that broke proves nothing about the broker: ask on a new one
        return session_result(error, self.endpoint.port, timeout)

    def _ask(self, end):
        """None, or what went wrong."""
        try:
            self.open(end)
            self.request(end, lambda channel, done: channel.basic_qos(prefetch_count=1, callback=done))
            return None
        except Exception as error:  # pika has several families of exceptions; whatever it is, there was no answer
            self.close()
            return error

    def open(self, end):
        """Open connection and channel where they are not open, until the monotonic time `end`. Raises what pika raises,
        OSError, or NoAnswer."""
        if self.channel is not None:
            return
        from quorate.host.names import lookup
        endpoint = self.endpoint
        # pika's own look-up has no time limit, and its thread outlives us.
        found = lookup(endpoint.host, endpoint.port, max(0.05, end - monotonic()))
        addresses = list(dict.fromkeys(one[4][0] for one in found))
        while addresses:
            address = addresses.pop(0)
            try:
                left = end - monotonic()
                self._open(address, monotonic() + (left / 2 if addresses else left))
                return
            except Exception as error:
                self.close()
                if not addresses or is_refusal(error):
                    raise

    def _open(self, address, end):
        pika = driver()
        endpoint, how = self.endpoint, {}
        if endpoint.tls:
            context = amqp.tls_context(endpoint.cafile, endpoint.certificate, getattr(endpoint, "check_hostname", True))
            how["ssl_options"] = pika.SSLOptions(context, endpoint.host)
        left = max(0.05, end - monotonic())
        parameters = pika.ConnectionParameters(
            address, endpoint.port, endpoint.vhost, pika.PlainCredentials(endpoint.user, endpoint.password),
            heartbeat=self.heartbeat, socket_timeout=left, stack_timeout=left, connection_attempts=1,
            client_properties={"connection_name": self.name}, **how)
        opened = []
        self._error = None
        self.connection = pika.SelectConnection(
            parameters, on_open_callback=lambda connection: self._opened(opened),
            on_open_error_callback=self._failed, on_close_callback=self._failed)
        self.wait(end, lambda: bool(opened))

    def _opened(self, opened):
        self.connection.add_on_connection_blocked_callback(self._blocked)
        self.connection.add_on_connection_unblocked_callback(self._unblocked)

        def have(channel):
            self.channel = channel
            opened.append(channel)
            self.wake()

        self.connection.channel(on_open_callback=have).add_on_close_callback(self._failed)

    def _blocked(self, _connection, frame):
        self.blocked = str(frame.method.reason) or "no reason"
        self.wake()

    def _unblocked(self, _connection, _frame):
        self.blocked = None

    def _failed(self, _what, error):
        self._error = error
        self.wake()

    def wake(self):
        """To be called by every callback: what wait() waits for may be there."""
        if self.connection is not None:
            self.connection.ioloop.stop()

    def request(self, end, start):
        """What a request was answered with. start(channel, done): sends it, with `done` as its callback. Raises as
        open() does."""
        answers = []

        def done(*answer):
            answers.append(answer)
            self.wake()

        start(self.channel, done)
        self.wait(end, lambda: bool(answers))
        return answers[0][0] if answers[0] else None

    def wait(self, end, there):
        """Run pika's loop until there() is true. Raises the error of the connection, or at the time `end` NoAnswer."""
        loop = self.connection.ioloop
        while not there():
            if self._error is not None:
                raise self._error
            left = end - monotonic()
            if left <= 0:
                raise NoAnswer("no answer")
            timer = loop.call_later(left, loop.stop)
            try:
                loop.start()
            finally:
                loop.remove_timeout(timer)

    def close(self, goodbye=False):
        """Drop the connection. goodbye: close it in AMQP first, because the broker logs a warning for a connection that
        just breaks; a hung broker would not answer that."""
        connection, self.connection, self.channel, self.blocked = self.connection, None, None, None
        if connection is None:
            return
        try:
            if goodbye and connection.is_open:
                connection.add_on_close_callback(lambda *_: connection.ioloop.stop())
                connection.close()
                timer = connection.ioloop.call_later(GOODBYE, connection.ioloop.stop)
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


def is_refusal(error):
    """Whether the broker refused the credentials, or the access to the virtual host. pika takes every end of a
    connection in that moment for it, also that of a broker that dies or is shut down (CONNECTION_FORCED)."""
    text = str(error)
    return bool(_names(error) & {"ProbableAuthenticationError", "AuthenticationError", "ProbableAccessDeniedError"}
                ) and "StreamLostError" not in text and "(320)" not in text


def _names(error):
    """The names of an error's classes: pika need not be imported to know it."""
    return {one.__name__ for one in type(error).__mro__}


def session_result(error, port, timeout):
    """The amqp.SessionResult for an error (None: an answer). Pure: it goes by the names of pika's classes, without
    importing pika."""
    if error is None:
        return amqp.SessionResult(amqp.Handshake(True, True))
    text = " ".join(str(error.args[-1] if error.args else error).split())[:160] or type(error).__name__
    if isinstance(error, NoAnswer) or "AMQPHeartbeatTimeout" in _names(error):
        return amqp.SessionResult(
            amqp.Handshake(True, False, "%s did not answer on port %d for %g s." % (amqp.PUBLIC, port, timeout)))
    if is_refusal(error):
        full = "limit" in text and "reached" in text
        return amqp.SessionResult(amqp.Handshake(True, True, text), refused=not full, full=full)
    return amqp.SessionResult(None)
