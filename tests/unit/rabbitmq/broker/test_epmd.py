# SPDX-License-Identifier: Apache-2.0
"""epmd's names, and whether other nodes can be reached."""

from quorate.rabbitmq.broker import epmd
from tests.unit.rabbitmq.broker.ports import closed_port


def test_epmd(serve):
    assert {"rabbit": 25672, "other": 1} == epmd.names(port=serve(
        b"\0\0\x11\x11name rabbit at port 25672\nname other at port 1\nnonsense\n"), timeout=5)
    assert epmd.knows("rabbit@n1", port=serve(b"\0\0\x11\x11name rabbit at port 25672\n"), timeout=5) is True
    assert epmd.knows("rabbit@n1", port=serve(b"\0\0\x11\x11"), timeout=5) is False
    assert epmd.knows("rabbit@n1", port=closed_port(), timeout=5) is False
    assert epmd.knows(None, port=serve(b"\0\0\x11\x11"), timeout=5) is None


def test_whether_other_brokers_are_reachable(serve):
    """A broker that died differs from one that is unreachable: its machine's epmd answers, and does not know it."""
    there = serve(b"")
    names = b"\0\0\x11\x11name rabbit at port %d\n"
    assert epmd.is_reachable("rabbit@localhost", port=serve(names % there), timeout=5) is True
    assert epmd.is_reachable("rabbit@localhost", port=serve(names % closed_port()), timeout=5) is False
    assert epmd.is_reachable("rabbit@localhost", port=serve(b"\0\0\x11\x11"), timeout=5) is None
    assert epmd.is_reachable("rabbit@localhost", port=closed_port(), fallback=closed_port(), timeout=5) is False
    assert epmd.is_reachable("rabbit@localhost", port=closed_port(), fallback=serve(b""), timeout=5) is True
    assert epmd.is_reachable("rabbit@name.invalid", port=closed_port(), timeout=5) is False
