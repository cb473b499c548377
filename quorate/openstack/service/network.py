# SPDX-License-Identifier: Apache-2.0
"""Two questions over TCP that need no library: does a broker answer, does a service serve its page."""

import socket
from time import monotonic

from quorate.host.names import connect
from quorate.openstack.facts import ANSWERED, MISSING, SILENT, Page

PROTOCOL = b"AMQP\x00\x00\x09\x01"  # AMQP 0-9-1, 4.2.2: a server answers with the frame Connection.Start, or with its own


def broker(brokers, seconds):
    """Whether any of these brokers speaks AMQP to this node; None when none is known. A listener of HAProxy without a broker
    behind it accepts and closes: that is no."""
    end = monotonic() + seconds
    for address in brokers:
        if _speaks(address, max(0.2, min(end - monotonic(), seconds / len(brokers)))):
            return True
    return False if brokers else None


def _speaks(address, seconds):
    try:
        with connect(address.host, address.port, seconds) as connection:
            connection.settimeout(seconds)
            if address.tls:
                return True  # it accepts; the rest would need certificates
            connection.sendall(PROTOCOL)
            return bool(connection.recv(1))
    except OSError:
        return False


def page(host, port, path, seconds, tls=False):
    """What an HTTP GET gives: a Page. Reads the first line of the answer, and ends within about `seconds`."""
    if host in ("", "0.0.0.0", "::", "*"):
        host = "::1" if host == "::" else "127.0.0.1"
    end = monotonic() + seconds
    try:
        connection = connect(host, port, seconds)
    except ConnectionRefusedError:
        return Page(MISSING, None, "nobody listens there")
    except OSError as error:
        return Page(SILENT, None, _words(error, seconds))
    try:
        connection.settimeout(seconds)
        if tls:
            import ssl
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is asked whether it lives, not who it is
            connection = context.wrap_socket(connection)
        connection.sendall(("GET %s HTTP/1.0\r\nHost: %s:%d\r\nUser-Agent: quorate\r\n\r\n" % (path, host, port)).encode())
        received = b""
        while b"\r\n" not in received and len(received) < 1000:
            connection.settimeout(max(0.05, end - monotonic()))
            chunk = connection.recv(1000)
            if not chunk:
                break
            received += chunk
        words = received.split(None, 2)
        if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit():
            return Page(ANSWERED, int(words[1]))
        return Page(SILENT, None, "the connection ended without an answer")
    except OSError as error:
        return Page(SILENT, None, _words(error, seconds))
    finally:
        connection.close()


def _words(error, seconds):
    return "no answer within %g s" % seconds if isinstance(error, socket.timeout) else error.strerror or str(error)
