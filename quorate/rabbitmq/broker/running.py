# SPDX-License-Identifier: Apache-2.0
"""A running broker tells itself who and where it is: its environment, its open files and its listening sockets go
before what the files say that it was, or will be, started with. Not for a monitor of a broker that is well: see
observe.

Its own files are open while it runs: DIRECTORY/coordination/NODE/... in the data directory, from the beginning of a
boot on (rabbit_coordination, the Ra system of that name, 3.9 and later), and its log, for appending.
"""

import os
from collections import namedtuple
from time import monotonic

from quorate.host import amqp
from quorate.host.system import inspection
from quorate.host.process import same_network
from quorate.rabbitmq.broker import epmd

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
RESOLVED = 1.0  # seconds for a name in the configuration to be resolved
ASKED = 0.5  # seconds for one port to say whether it speaks AMQP


class Place(namedtuple("Place", "host port tls")):
    """Where to connect to: an address, a port, TLS or not."""

    __slots__ = ()


# who it is

def own_directory(process):
    """(data directory, Erlang name) by the open files of a running broker; None: it shows neither."""
    for one in inspection.open_files(process) or ():
        head, found, tail = one.path.rpartition("/coordination/")
        name = tail.partition("/")[0]
        if found and "@" in name and os.path.isdir(head):
            return head, name
    return None


def own_log(process, expected):
    """The log that a running broker writes; expected: where it is by the files. None: it shows none."""
    directory = (own_directory(process) or ("/nonexistent",))[0] + "/"
    found = [one.path for one in inspection.open_files(process) or () if one.appends and one.number > 2
             and not one.path.startswith(directory) and not one.path.endswith("_upgrade.log")]
    return expected if expected in found else found[0] if found else None


# where it listens

def amqp_place(process, places, preferred=None, boots=False, seconds=2.0):
    """The Place where a running broker speaks AMQP; () when it listens nowhere for AMQP; None: its sockets cannot be
    seen.

    places: settings.places.Places; preferred: a port that the operator named; boots: by its log it does not serve yet.
    A listener that is configured and open is taken; where none is, and it does not boot, the open ports that nothing
    else is known to have are asked: what is asked in a protocol that it does not speak may log that. In another network
    namespace only an address of its own can be asked: at the loopback another program may answer.
    """
    sockets = inspection.listening(process)
    if sockets and not same_network(process):
        sockets = [one for one in sockets if not _is_local(one.host)] or None
    if sockets is None:
        return None
    configured = places.configured.amqp or ()
    wanted = [(None, preferred, tls) for tls in (False, True) if preferred and any(
        one.port == preferred and one.tls == tls for one in configured)] + list(configured)
    for host, port, tls in sorted(wanted, key=lambda one: (one[1] != preferred, one[2])):
        open_there = [one for one in sockets if one.port == port and (host is None or _same(one.host, host))]
        if open_there:
            return Place(_reach(open_there, host), port, tls)
    return () if boots else _asked(sockets, _taken(places), preferred, seconds)


def _asked(sockets, taken, preferred, seconds):
    """The Place among ports of which no file says what they are: one that greets, else one that refuses us in TLS. ()
    where none is one; None: that is unknown, since one did not answer in time."""
    end, ports = monotonic() + seconds, sorted({one.port for one in sockets if one.port not in taken})
    refused, late = (), False
    for port in sorted(ports, key=lambda port: port != preferred):
        host = _reach([one for one in sockets if one.port == port], None)
        for tls in (False, True):
            left = min(ASKED, end - monotonic())
            greeted = amqp.handshake(host, port, left, tls) if left > 0 else amqp.Handshake(None, None)
            if greeted.answered and not greeted.refused:
                return Place(host, port, tls)
            refused = refused or (Place(host, port, tls) if greeted.refused else ())
            late = late or greeted.answered is False or left <= 0
    return refused or (None if late else ())


def _taken(places):
    """Ports of which it is known that they are not for AMQP."""
    known = set(places.configured.others) | {places.distribution}
    known.update(one.port for one in places.configured.management)
    try:
        known.update(epmd.names("127.0.0.1", places.epmd_port, ASKED).values())
    except OSError:
        pass
    return known


def management_place(process, places, preferred=None):
    """The Place of the management API: the first configured listener that is open; else where it should be. preferred:
    a port that the operator named."""
    sockets = inspection.listening(process) if process is not None else None
    wanted = list(places.configured.management)
    if preferred:
        wanted = [one for one in wanted if one.port == preferred] or [wanted[0]._replace(port=preferred, tls=False)]
    for host, port, tls in sorted(wanted, key=lambda one: one.tls):
        open_there = [one for one in sockets or () if one.port == port and (host is None or _same(one.host, host))]
        if open_there:
            return Place(_reach(open_there, host), port, tls)
    host, port, tls = wanted[0]
    return Place(host or "127.0.0.1", port, tls)


def _reach(sockets, host):
    """The address to connect to for one of these sockets of one port: the loopback where that is possible."""
    hosts = [one.host for one in sockets]
    if "0.0.0.0" in hosts or "127.0.0.1" in hosts or "::" in hosts and inspection.both_families():
        return "127.0.0.1"
    first = hosts[0]
    return EVERYWHERE.get(first) or (first if _address(first) else host)


def _same(address, host):
    """Whether a listening address is that of a configured host: an address, or a name, which advanced.config and
    NODE_IP_ADDRESS may have (rabbitmq.conf may not; 3.10.8)."""
    if address in EVERYWHERE or address == host:
        return True
    one, other = _address(address), _address(host)
    return one == other if other else one in (_resolved(host) or (one,))  # else the port has to do


def _resolved(name):
    """A tuple of the addresses of a name, as bytes; empty where it is not resolved."""
    from quorate.host import names
    try:
        return tuple(_address(one[4][0]) for one in names.lookup(name, 0, RESOLVED))
    except OSError:
        return ()


def _is_local(address):
    """Whether a listening address is one that each network namespace has."""
    packed = _address(address) or b""
    return address in EVERYWHERE or packed[:1] == b"\x7f" or packed == b"\0" * 15 + b"\1"


def _address(text):
    """The bytes of an address; None: it is a name."""
    import socket
    text = text.partition("%")[0]
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            packed = socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return packed[12:] if packed[:12] == b"\0" * 10 + b"\xff\xff" else packed
    return None
