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


def test_one_that_does_not_resolve_hides_nobody():
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = _served(server, (REAL,))
        assert {"g": MEMBER} == greeting.members_at({"h": ("no host", 4567), "g": server.getsockname()}, 5.0)
        thread.join()


def test_parts_are_put_together_and_no_more_is_read(mocker):
    connection = mocker.Mock()
    connection.recv.side_effect = [REAL[:5], REAL[5:20], REAL[20:28]]
    assert MEMBER == greeting._member(connection, 0.0)
    assert [28, 23, 8] == [call.args[0] for call in connection.recv.call_args_list]


def test_all_addresses_of_a_host_are_tried(mocker):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        closed = other.getsockname()
        other.close()
        thread = _served(server, (REAL,))
        mocker.patch.object(greeting, "lookup", lambda *_: [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (closed, server.getsockname())])
        assert {"g": MEMBER} == greeting.members_at({"g": ("g", 4567)}, 5.0)
        thread.join()


def test_of_two_addresses_one_may_be_that_of_another_program(mocker):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        threads = [_served(one, (b"220 mail\r\n",)), _served(two, (REAL,))]
        mocker.patch.object(greeting, "lookup", lambda *_: [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", server.getsockname()) for server in (one, two)])
        assert {"g": MEMBER} == greeting.members_at({"g": ("g", 4567)}, 5.0)
        for thread in threads:
            thread.join()


def test_every_step_has_what_is_left_of_the_time(mocker):
    """One that is connected to and never answers, or sends a byte now and then, must not hold up a monitor."""
    seconds = iter((100, 100.25, 100.5, 100.75, 101.5))
    mocker.patch.object(greeting, "time").monotonic.side_effect = lambda: next(seconds)
    mocker.patch.object(greeting, "lookup", return_value=[(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("g", 4567))])
    connection = mocker.patch.object(greeting.socket, "socket").return_value.__enter__.return_value
    connection.recv.side_effect = [b"x", b"x", OSError("timed out")]

    assert {"g": None} == greeting.members_at({"g": ("g", 4567)}, 1.0)
    assert [0.75, 0.5, 0.25, 0.05] == [call.args[0] for call in connection.settimeout.call_args_list]
    assert ["settimeout", "connect"] + ["settimeout", "recv"] * 3 == [call[0] for call in connection.method_calls]


def test_an_arbitrator_is_asked_at_its_own_port_or_at_that_of_all(mocker):
    asked = mocker.patch.object(greeting, "members_at")
    parameters = mocker.Mock(wsrep_cluster_address="gcomm://n1,n2,g8:5000,g9", arbitrators="g8, g9")
    greeting.arbitrators(parameters, 4600, 1.0)
    assert [mocker.call({"g8": ("g8", 5000), "g9": ("g9", 4600)}, 1.0)] == asked.call_args_list
