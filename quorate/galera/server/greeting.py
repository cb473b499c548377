# SPDX-License-Identifier: Apache-2.0
"""Which member of a group listens at an address: by the greeting that Galera sends to whoever connects.

A member that accepts a connection sends a handshake at once, with its UUID (gcomm, gmcast_proto.cpp, send_handshake;
gmcast_message.hpp, version 0), behind a header of eight bytes (gcomm/datagram.hpp):

    bits 0 to 23: length of the message, 24 to 27: kind of checksum, 28 to 31: version 0; all of it little-endian
    checksum, 4 bytes
    version 0, type 1 (handshake), flags, segment: 1 byte each
    UUID of the member, 16 bytes; of the handshake, 16 bytes

The connection is closed before anything is answered, so the member makes nothing of it. With TLS it waits for our side
of a TLS handshake, and says nothing.
"""

import socket
import time
import uuid

from quorate.galera import facts
from quorate.host.names import lookup

LENGTH = 8 + 4 + 16  # bytes until the end of the member's UUID
HANDSHAKE = 1


def arbitrators(parameters, base_port, limit):
    """members_at() of the hosts that run the arbitrator. base_port: where wsrep_cluster_address names no port."""
    from quorate.galera.server.settings.address import arbitrator_hosts
    hosts = arbitrator_hosts(parameters.wsrep_cluster_address, parameters.arbitrators)
    return members_at({name: (host, port or base_port) for name, (host, port) in hosts.items()}, limit)


def members_at(addresses, limit):
    """dict name -> masked member UUID, of those that accept a connection; None where it does not say who it is.

    addresses: name -> (host, port); limit: s, for each of them. All addresses that a host has are tried.
    """
    found = {}
    for name, (host, port) in addresses.items():
        end = time.monotonic() + limit
        try:
            candidates = lookup(host, port, limit)
        except OSError:
            continue
        for family, kind, protocol, _, address in candidates:
            try:
                with socket.socket(family, kind, protocol) as connection:
                    connection.settimeout(max(0.05, end - time.monotonic()))
                    connection.connect(address)
                    found[name] = _member(connection, end)
            except OSError:
                continue
            if found[name] is not None:
                break
    return found


def _member(connection, end):
    """The masked UUID in the greeting; None when there is none, or it is another one."""
    greeting = b""
    try:
        while len(greeting) < LENGTH:
            connection.settimeout(max(0.05, end - time.monotonic()))
            part = connection.recv(LENGTH - len(greeting))
            if not part:
                return None
            greeting += part
    except OSError:
        return None
    return member_of(greeting)


def member_of(greeting):
    """The masked member UUID of a greeting's first LENGTH bytes; None when it is not understood."""
    if len(greeting) < LENGTH or greeting[3] >> 4 != 0 or greeting[8:10] != bytes((0, HANDSHAKE)):
        return None
    return facts.mask(str(uuid.UUID(bytes=greeting[12:28])))
