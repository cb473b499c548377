# SPDX-License-Identifier: Apache-2.0
"""TCP sockets of processes, and connections that wait to be accepted, from the kernel and from a made-up /proc."""

import os
import socket

import pytest

from quorate.host import connections
from quorate.host.connections import ESTABLISHED, LISTEN, Connections, Socket, waiting
from quorate.host.process import Processes
from tests.waiting import within


def test_our_own_sockets():
    with socket.socket() as listener, socket.socket() as client:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        client.connect(("127.0.0.1", port))
        found = Connections().of(os.getpid())

        assert (LISTEN, port, 0) in [one[:3] for one in found]
        assert (ESTABLISHED, client.getsockname()[1], port) in [one[:3] for one in found]
        assert Connections().listeners(os.getpid(), port)
        inodes = [one.inode for one in found if one[:3] == (LISTEN, port, 0)]
        assert frozenset(inodes) == Connections().listening(inodes)

    assert within(5, lambda: not Connections().listening(inodes))
    assert not Connections().listeners("self", port)


def test_a_process_that_is_gone_is_unknown_not_without_connections():
    assert Connections().of(2 ** 22 + 5) is None


def test_ipv6_and_states_that_come_and_go(tmp_path):
    process = tmp_path / "7"
    (process / "fd").mkdir(parents=True)
    (process / "net").mkdir()
    for number, inode in enumerate((11, 12, 13, 99)):
        os.symlink("socket:[%d]" % inode, process / "fd" / str(number))
    os.symlink("/dev/null", process / "fd" / "8")
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    line = "   0: %s:1F90 %s:1628 %s 00000000:00000000 00:00000000 00000000     0        0 %d 1 0000 100 0 0 10 0\n"
    (process / "net" / "tcp").write_text(head + line % ("0100007F", "0100007F", "01", 11) + line
                                         % ("0" * 8, "0" * 8, "06", 12))
    (process / "net" / "tcp6").write_text(head + line % ("0" * 32, "0" * 32, "0A", 13))

    assert (Socket(ESTABLISHED, 8080, 5672, 11, b"0100007F"), Socket(LISTEN, 8080, 5672, 13, b"0" * 32)) == Connections(
        str(tmp_path)).of(7)


@pytest.mark.parametrize("bound, shown", [("127.0.0.5", "127.0.0.5"), ("0.0.0.0", "0.0.0.0"), ("::1", "::1"), ("::", "::"),
                                          ("::ffff:127.0.0.6", "127.0.0.6")])
def test_the_address_of_a_listener(bound, shown):
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    if family == socket.AF_INET6 and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    with socket.socket(family) as listener:
        if bound.startswith("::ffff"):
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((bound, 0))
        listener.listen()
        port = listener.getsockname()[1]
        found = [one for one in Connections().of(os.getpid()) if (one.state, one.port) == (LISTEN, port)]
        assert [shown] == [one.address for one in found]


def test_a_kernel_without_tables_is_unknown(tmp_path):
    (tmp_path / "7" / "fd").mkdir(parents=True)
    os.symlink("socket:[11]", tmp_path / "7" / "fd" / "3")

    assert Connections(str(tmp_path)).of(7) is None and Connections(str(tmp_path)).listeners(7, 80) is None


@pytest.mark.parametrize("family, address", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_connections_wait_until_they_are_accepted(family, address):
    if family == socket.AF_INET6 and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    with socket.socket(family) as listener, socket.socket(family) as one, socket.socket(family) as other:
        listener.bind((address, 0))
        listener.listen(5)
        inode = os.fstat(listener.fileno()).st_ino
        assert 0 == waiting(os.getpid())[inode]
        one.connect(listener.getsockname())
        other.connect(listener.getsockname())
        assert within(5, lambda: waiting(os.getpid())[inode] == 2)
        listener.accept()[0].close()
        assert within(5, lambda: waiting(os.getpid())[inode] == 1)


def test_of_a_process_that_is_gone_the_number_that_waits_is_unknown():
    assert waiting(2 ** 22 + 5) is None


def test_who_listens_on_a_port():
    processes = Processes()
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        ours.listen(1)
        port = ours.getsockname()[1]

        assert os.getpid() == connections.listener(port, processes).pid
    assert within(5, lambda: connections.listener(port, processes) is None)
