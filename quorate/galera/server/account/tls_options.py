# SPDX-License-Identifier: Apache-2.0
"""The options of an options file that say how TLS is spoken. Imported only where there is one.

Source: MariaDB 10.11 include/sslopt-case.h (each ssl- option turns TLS on, as later options turn it off) and MySQL 8.4,
ssl-mode.
"""

import os
from collections import namedtuple

FILES = ("ssl-ca", "ssl-capath", "ssl-cert", "ssl-key", "ssl-crl", "ssl-crlpath")
NAMES = FILES + ("ssl-cipher", "tls-version", "ssl", "ssl-mode", "ssl-verify-server-cert")
YES = (b"1", b"on", b"true")
NO = (b"0", b"off", b"false")
MODES = {b"DISABLED": False, b"PREFERRED": None, b"REQUIRED": "", b"VERIFY_CA": "chain", b"VERIFY_IDENTITY": "name"}


class Tls(namedtuple("Tls", "ca capath cert key crl crlpath cipher versions verify", defaults=(None,) * 9)):
    """How to speak TLS. ca to crlpath: paths; cipher: for OpenSSL; versions: as TLSv1.2,TLSv1.3; verify: "chain": the
    certificate; "name": that it is the host's as well; else the chain if there are authorities."""

    __slots__ = ()


def tls(options):
    """What these Options of NAMES say: a Tls; False: none is spoken; None: as the server demands. Raises Unreadable."""
    fields, speaks = {}, None
    for option in options:
        speaks = _field(option, fields, speaks)
    return Tls(**fields) if speaks else speaks


def _field(option, fields, speaks):
    """Put one option into the fields; return whether TLS is spoken, None when it is not said."""
    name, value = option.name, option.value
    if name == "ssl-mode":
        if (value or b"").upper() not in MODES:
            raise option.unreadable("has a value that no client knows.")
        mode = MODES[value.upper()]
        fields["verify"] = mode or None
        return None if mode is None else mode is not False
    if name in ("ssl", "ssl-verify-server-cert"):
        word = b"1" if value is None else value.lower()
        if word not in YES + NO:
            raise option.unreadable("is neither on nor off.")
        if name == "ssl":
            return word in YES
        fields["verify"] = "name" if word in YES else None
        return True if word in YES else speaks
    if not value:
        raise option.unreadable("has no value.")
    if name in FILES and not os.access(value, os.R_OK):
        raise option.unreadable("names %s, which cannot be read." % os.fsdecode(value))
    fields["versions" if name == "tls-version" else name[4:]] = os.fsdecode(value)
    return speaks if name == "tls-version" else True
