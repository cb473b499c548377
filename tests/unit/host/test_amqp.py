# SPDX-License-Identifier: Apache-2.0
"""The AMQP handshake and the kept session: bytes and errors to facts."""

import pytest

from quorate.host import amqp, amqp_session
from tests.unit.rabbitmq.broker import conftest
from tests.unit.rabbitmq.broker.ports import GREETING, closed_port

serve = conftest.serve


@pytest.mark.parametrize("data, answered, text", [
    (GREETING, True, None), (b"AMQP\0\0\x09\x01", None, "does not speak"),
    (b"HTTP/1.1 400 Bad Request\r\n", None, "does not speak"),
    (b"", None, "without an answer"),
])
def test_greeting(serve, data, answered, text):
    found = amqp.handshake("127.0.0.1", serve(data), 5)

    assert (True, answered) == (found.listening, found.answered)
    assert (text or "") in (found.error or "")
    assert found.error is None or found.error.endswith(".")


class ProbableAccessDeniedError(Exception):
    """As pika's."""


class ProbableAuthenticationError(Exception):
    """As pika's."""


class StreamLostError(Exception):
    """As pika's."""


@pytest.mark.parametrize("error, answered, refused, full", [
    (None, True, False, False),
    (amqp_session.NoAnswer("no answer"), False, False, False),
    (ProbableAuthenticationError("(403) ACCESS_REFUSED - Login was refused"), True, True, False),
    (ProbableAccessDeniedError("(530) NOT_ALLOWED - access to vhost 'x' refused for user 'y'"), True, True, False),
    (ProbableAccessDeniedError("(530) NOT_ALLOWED - access to vhost '/' refused for user 'y': connection limit (5) is "
                               "reached"), True, False, True),
    (StreamLostError("gone"), None, False, False),
    (ConnectionRefusedError(111, "Connection refused"), None, False, False),
])
def test_the_error_of_a_session(error, answered, refused, full):
    result = amqp_session.session_result(error, 5672, 1)

    assert answered == (result.handshake.answered if result.handshake else None)
    assert (refused, full) == (result.refused, result.full)


def test_silence_is_not_a_closed_port(serve):
    silent, closed_set = amqp.handshake("127.0.0.1", serve(None), 0.05), amqp.handshake("127.0.0.1", closed_port(), 5)

    assert (True, False) == (silent.listening, silent.answered)
    assert (False, None) == (closed_set.listening, closed_set.answered)
