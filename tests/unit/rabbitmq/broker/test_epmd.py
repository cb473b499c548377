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


def test_whether_the_brokers_of_others_can_be_reached(serve):
    """A broker that died is told from one to which there is no way: its machine's epmd answers, and does not know
    it."""
    there = serve(b"")
    told = b"\0\0\x11\x11name rabbit at port %d\n"
    assert epmd.is_reachable("rabbit@localhost", port=serve(told % there), timeout=5) is True
    assert epmd.is_reachable("rabbit@localhost", port=serve(told % closed_port()), timeout=5) is False
    assert epmd.is_reachable("rabbit@localhost", port=serve(b"\0\0\x11\x11"), timeout=5) is None
    assert epmd.is_reachable("rabbit@localhost", port=closed_port(), fallback=closed_port(), timeout=5) is False
    assert epmd.is_reachable("rabbit@localhost", port=closed_port(), fallback=serve(b""), timeout=5) is True
    assert epmd.is_reachable("rabbit@name.invalid", port=closed_port(), timeout=5) is False
