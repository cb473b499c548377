# SPDX-License-Identifier: Apache-2.0
"""Who listens at a group communication port."""

import socket
import threading

import pytest

from quorate.galera.server import greeting

# Of garbd 26.4.23 (Debian 12); its log says of itself: 29ec731e-ba99.
REAL = bytes.fromhex("24000002b01f25890001100029ec731eeb7f11f1ba993fbbdf12c61ea7ad5109eb7f11f1b02a5ea0cf119fae")
MEMBER = "29ec731e-eb7f-11f1-0000-3fbbdf12c61e"


def _served(server, parts):
    """A server that sends these parts to whoever connects, and closes."""
    def serve():
        connection, _ = server.accept()
        with connection:
            for part in parts:
                connection.sendall(part)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_the_real_greeting_names_the_member():
    assert MEMBER == greeting.member_of(REAL)


@pytest.mark.parametrize("changed", [
    b"", REAL[:27], b"\0\0\0\x10" + REAL[4:], REAL[:8] + b"\x01" + REAL[9:], REAL[:9] + b"\x02" + REAL[10:],
    b"HTTP/1.0 400 Bad Request\r\n\r\nxx", b"I\0\0\0\x0a8.0.36-28.1\0" + bytes(20)])
def test_what_is_no_greeting_of_galera_names_nobody(changed):
    assert greeting.member_of(changed) is None


@pytest.mark.parametrize("parts, member", [((REAL,), MEMBER), ((REAL[:5], REAL[5:20], REAL[20:]), MEMBER),
                                           ((REAL[:20],), None), ((), None)])
def test_a_member_is_read_in_parts_and_not_guessed(parts, member):
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = _served(server, parts)
        assert {"g": member} == greeting.members_at({"g": server.getsockname()}, 5.0)
        thread.join()


def test_one_that_accepts_and_is_silent_is_there_and_unknown():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert {"g": None} == greeting.members_at({"g": server.getsockname()}, 0.1)


def test_one_that_refuses_or_does_not_resolve_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    assert {} == greeting.members_at({"g": address, "h": ("no host", 4567)}, 0.5)


def test_all_addresses_of_a_host_are_tried(mocker):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        closed = other.getsockname()
        other.close()
        thread = _served(server, (REAL,))
        mocker.patch.object(greeting, "lookup", lambda *_: [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (closed, server.getsockname())])
        assert {"g": MEMBER} == greeting.members_at({"g": ("g", 4567)}, 5.0)
        thread.join()
