# SPDX-License-Identifier: Apache-2.0
"""Connections that wait to be taken, from the kernel."""

import os
import socket

import pytest

from quorate.host.connections import waiting
from tests.waiting import within


@pytest.mark.parametrize("family, address", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_who_waits_is_counted_until_taken(family, address):
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


def test_who_is_gone_is_unknown():
    assert waiting(2 ** 22 + 5) is None
