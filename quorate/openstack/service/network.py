# SPDX-License-Identifier: Apache-2.0
"""Two questions over TCP that need no library: does a broker answer, and does a service serve its page."""

import socket
from time import monotonic

from quorate.host.names import connect
from quorate.openstack.facts import ANSWERED, MISSING, NO_ANSWER, SILENT, Page


def any_broker_answers(brokers, seconds):
    """Whether any of these Addresses speaks AMQP to this node; None when there are none. A listener of HAProxy without
    a broker behind it accepts and closes: that is False."""
    from quorate.host import amqp
    end = monotonic() + seconds
    for number, address in enumerate(brokers):
        share = max(0.2, (end - monotonic()) / (len(brokers) - number))
        known = dict(address.certificates)
        certificate = (known["cert"], known.get("key")) if "cert" in known else None
        if amqp.handshake(address.host, address.port, share, address.tls, certificate).answered:
            return True
    return False if brokers else None


ANYWHERE = ("", "0.0.0.0", "::", "*")
NO_HTTP = "the connection ended without an answer"


def page(host, port, path, seconds, tls=False):
    """What an HTTP GET gives: a Page. Reads the first line of the answer, and ends within about `seconds`. A port that
    answers no HTTP is asked once more in TLS."""
    end = monotonic() + seconds
    found = _get(host, port, path, seconds, tls)
    if tls or found.outcome != SILENT or found.reason.startswith(NO_ANSWER) or monotonic() >= end:
        return found
    secured = _get(host, port, path, end - monotonic(), True)
    return secured if secured.outcome == ANSWERED else found


def _get(host, port, path, seconds, tls):
    if host in ANYWHERE:
        host = "::1" if host == "::" else "127.0.0.1"
    end = monotonic() + seconds
    try:
        connection = connect(host, port, seconds)
    except ConnectionRefusedError:
        return Page(MISSING, None, "nothing listens there")
    except OSError as error:
        return Page(SILENT, None, _reason(error, seconds))
    try:
        connection.settimeout(seconds)
        if tls:
            import ssl
            context = ssl.create_default_context()
            # The question is whether it answers, not who it is.
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = context.wrap_socket(connection)
        request = "GET %s HTTP/1.0\r\nHost: %s:%d\r\nUser-Agent: quorate\r\n\r\n" % (path, host, port)
        connection.sendall(request.encode())
        received = b""
        while b"\r\n" not in received and len(received) < 1000:
            if received and monotonic() >= end:
                raise socket.timeout()  # it sends a byte now and then
            connection.settimeout(max(0.05, end - monotonic()))
            chunk = connection.recv(1000)
            if not chunk:
                break
            received += chunk
            if not (received.startswith(b"HTTP/") or b"HTTP/".startswith(received)):
                break  # it speaks something else, and may wait for us
        words = received.split(None, 2)
        if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit():
            return Page(ANSWERED, int(words[1]))
        return Page(SILENT, None, NO_HTTP)
    except OSError as error:
        return Page(SILENT, None, _reason(error, seconds))
    finally:
        connection.close()


def _reason(error, seconds):
    return "%s %g s" % (NO_ANSWER, seconds) if isinstance(error, socket.timeout) else error.strerror or str(error)
