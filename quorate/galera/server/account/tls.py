# SPDX-License-Identifier: Apache-2.0
"""Connections with TLS, for servers and accounts that demand it. Imported only for those: OpenSSL costs 15 ms.

The server is verified as MariaDB's client 10.11 does: its certificate if an authority is named, its name if
ssl-verify-server-cert says so. Over the UNIX socket nothing is verified, because nobody is between two processes of one
machine; Connector/C 3.4 (MariaDB 11.4) does the same.
"""

import ssl

from quorate.errors import Unreadable
from quorate.host.mysql import driver

VERSIONS = {"tlsv1.0": ssl.TLSVersion.TLSv1, "tlsv1.1": ssl.TLSVersion.TLSv1_1, "tlsv1.2": ssl.TLSVersion.TLSv1_2,
            "tlsv1.3": ssl.TLSVersion.TLSv1_3}
NO_TLS = 2026  # CR_SSL_CONNECTION_ERROR


def connect(settings, local, **options):
    """A connection of PyMySQL with TLS, or its errors: without TLS it ends before an account is sent.

    settings: tls_options.Tls; local: over the UNIX socket; options: of pymysql.connect.
    """
    pymysql = driver(tls=True)

    class Connection(pymysql.connections.Connection):
        """PyMySQL goes on without TLS when the server has none."""

        def _request_authentication(self):
            if not self.server_capabilities & pymysql.constants.CLIENT.SSL:
                raise pymysql.err.OperationalError(NO_TLS, "the server offers none (have_ssl)")
            super()._request_authentication()

    return Connection(ssl=context(settings, local), **options)


def context(settings, local):
    """The SSLContext. Raises Unreadable for files and values that OpenSSL does not accept."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = not local and settings.verify == "name"
    verifies = not local and (settings.verify or settings.ca or settings.capath)
    made.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE
    try:
        if settings.ca or settings.capath:
            made.load_verify_locations(settings.ca, settings.capath)
        elif verifies:
            made.load_default_certs()
        if verifies and (settings.crl or settings.crlpath):
            made.load_verify_locations(settings.crl, settings.crlpath)
            made.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        if settings.cert or settings.key:
            made.load_cert_chain(settings.cert or settings.key, settings.key, password="")  # never asks on a terminal
        if settings.cipher:
            made.set_ciphers(settings.cipher)
    except (OSError, ValueError) as error:  # SSLError is one
        raise Unreadable("The ssl- options of the file of credentials do not work: %s." % (
            getattr(error, "reason", None) or error)) from None
    _limit(made, settings.versions)
    return made


def _limit(made, versions):
    """Allow only the versions of TLS from the oldest to the newest of these. versions: as TLSv1.2,TLSv1.3; or None."""
    if versions is None:
        return
    wanted = [VERSIONS.get(word.strip().lower()) for word in versions.split(",")]
    if None in wanted:
        raise Unreadable("The file of credentials has a tls-version that is not known: write TLSv1.2,TLSv1.3")
    made.minimum_version, made.maximum_version = min(wanted), max(wanted)
