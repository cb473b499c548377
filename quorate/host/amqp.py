# SPDX-License-Identifier: Apache-2.0
"""Ask a broker in AMQP 0-9-1 by a bare handshake that needs no credentials, and the one policy of TLS towards brokers.
Sessions with credentials: amqp_session.

The bare handshake is what a monitor can afford: 17 ms of CPU in a fresh process against 50 with pika (and 400 with
rabbitmqctl). It proves that the broker accepts connections and answers: it reads the greeting (Connection.Start) and
closes. The broker logs two lines for each; the kept connection of the check causes none.
"""

from collections import namedtuple
from time import monotonic

HEADER = b"AMQP\0\0\x09\x01"
PORT = 5672
_START = b"\0\x0a\0\x0a"  # class 10 (connection), method 10 (start), behind the seven bytes of the frame's header
PUBLIC = "The broker"


class Handshake(namedtuple("Handshake", "listening answered error refused", defaults=(None, None))):
    """What a handshake showed, as fields of facts.Broker. listening: False: connection refused; None: unknown;
    answered: True: it greeted; False: not in time; None: it gave no answer and did not hang, see error; refused: True:
    it answered in TLS that it does not talk to us, for want of a client certificate as a rule."""

    __slots__ = ()


class SessionResult(namedtuple("SessionResult", "handshake refused full", defaults=(False, False))):
    """What a session found out. handshake: Handshake, or None: there was no connection, and only a bare handshake
    explains why; refused: the credentials were refused; full: the broker's limit of connections is reached."""

    __slots__ = ()


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
                         % (PUBLIC, port, timeout))
    except OSError as error:
        return Handshake(None, None, "%s cannot be reached on %s port %d: %s."
                         % (PUBLIC, host, port, error.strerror or error))
    established = False
    try:
        with _secured(one, host, end, certificate) if tls else one as one:
            established = tls
            one.sendall(HEADER)
            data = _receive(one, end)
            return _refused(port, None, certificate) if tls and not data else parse_greeting(data, port)
    except socket.timeout:
        return Handshake(True, False, "%s accepted a connection on port %d and did not answer for %g s."
                         % (PUBLIC, port, timeout))
    except OSError as error:
        reason = getattr(error, "reason", None)
        if tls and (established or is_refusal(reason)):
            return _refused(port, reason, certificate)
        return Handshake(True, None, "%s broke the connection on port %d: %s."
                         % (PUBLIC, port, error.strerror or error))


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
                         "or have no connection left." % (PUBLIC, port))
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


def tls_context(cafile=None, certificate=None, check_hostname=True):
    """An SSLContext. Without a file of authorities the certificate is not checked: RabbitMQ's check allows that for
    this machine only (credentials.merged), and a service of OpenStack that has no authority does the same.

    certificate: (file, file of its key or None) of the client; check_hostname: whether the name in the broker's
    certificate has to be right. Raises OSError for files that cannot be used."""
    import ssl
    how = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if cafile:
        how.load_verify_locations(cafile)
        how.check_hostname = check_hostname
    else:
        how.check_hostname, how.verify_mode = False, ssl.CERT_NONE
    if certificate:
        how.load_cert_chain(*certificate)
    return how
