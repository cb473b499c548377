# SPDX-License-Identifier: Apache-2.0
"""The AMQP handshake and the kept session: bytes and errors to facts."""

import contextlib
import socket
import ssl
import subprocess
import threading

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


CERTIFICATE = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=%s -keyout %s.key -out %s.pem"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A directory with certificates of a server and of a client."""
    directory = tmp_path_factory.mktemp("tls")
    for name in ("server", "client"):
        subprocess.run((CERTIFICATE % ((name,) * 3)).split(), cwd=directory, check=True, stdin=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    return directory


@pytest.fixture
def secured(files):
    """secured(version, demands): the port of a server that greets over TLS, and may demand the client's certificate."""
    opened = []

    def start(version, demands):
        how = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        how.load_cert_chain(files / "server.pem", files / "server.key")
        how.minimum_version = how.maximum_version = version
        if demands:
            how.verify_mode = ssl.CERT_REQUIRED
            how.load_verify_locations(files / "client.pem")
        listener = socket.create_server(("127.0.0.1", 0))
        opened.append(listener)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with contextlib.suppress(OSError), how.wrap_socket(client, server_side=True) as one:
                        one.recv(100)
                        one.sendall(GREETING)
                    client.close()
        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1]
    yield start
    for one in opened:
        one.close()


VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_broker_that_demands_a_certificate_answers_and_refuses(secured, version):
    """It is alive, so it is not hung; it cannot be asked, and what to set is said."""
    port = secured(version, True)
    for _ in range(10):  # with TLS 1.3 it depends on who is faster what the client sees
        found = amqp.handshake("127.0.0.1", port, 10, True)
        assert (found.listening, found.answered, found.refused) == (True, True, True)
        assert "ssl_cert" in found.error


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_that_is_accepted(secured, files, version):
    own = (str(files / "client.pem"), str(files / "client.key"))
    assert amqp.handshake("127.0.0.1", secured(version, True), 10, True, own) == (True, True, None, None)
    assert amqp.handshake("127.0.0.1", secured(version, False), 10, True) == (True, True, None, None)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_that_is_not_accepted_is_said(secured, files, version):
    other = (str(files / "server.pem"), str(files / "server.key"))
    for own in (other, ("/nonexistent", None)):
        found = amqp.handshake("127.0.0.1", secured(version, True), 10, True, own)
        assert (found.answered, found.refused) == (True, True) and "ssl_cert" in found.error


def test_tls_to_a_port_without_it_is_no_refusal(serve):
    found = amqp.handshake("127.0.0.1", serve(GREETING), 5, True)
    assert (found.listening, found.answered, found.refused) == (True, None, None)


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
    (ProbableAuthenticationError("StreamLostError: ('Transport indicated EOF',)"), None, False, False),
    (ProbableAccessDeniedError("ConnectionClosedByBroker: (320) \"CONNECTION_FORCED - broker forced connection closure with "
                               "reason 'shutdown'\""), None, False, False),
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
