# SPDX-License-Identifier: Apache-2.0
"""epmd's names, and whether other nodes can be reached."""

from quorate.rabbitmq.broker import epmd, layout
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
    assert epmd.is_reachable("rabbit@localhost", port=closed_port(), fallback=(closed_port(),), timeout=5) is False
    several = (closed_port(), serve(b""))
    assert epmd.is_reachable("rabbit@localhost", port=closed_port(), fallback=several, timeout=5) is True
    assert epmd.is_reachable("rabbit@name.invalid", port=closed_port(), timeout=5) is False


def test_the_ports_to_try_are_those_of_the_configuration(tmp_path, monkeypatch):
    """Without epmd only 25672 was tried: a node whose brokers use another port never started beside them."""
    env, conf = tmp_path / "env", tmp_path / "my.conf"
    monkeypatch.setattr("quorate.rabbitmq.broker.settings.variables.ENV", str(env))
    monkeypatch.setattr("quorate.rabbitmq.broker.settings.files.MAIN", str(tmp_path / "rabbitmq"))
    monkeypatch.setattr("quorate.rabbitmq.broker.settings.files.MORE", str(tmp_path / "conf.d" / "*.conf"))
    monkeypatch.setattr("quorate.rabbitmq.broker.settings.files.ADVANCED", str(tmp_path / "advanced.config"))
    assert layout.configured_ports() == (4369, (25672,))
    env.write_text("DIST_PORT=7000\nERL_EPMD_PORT=4370\n")
    assert layout.configured_ports() == (4370, (7000,))
    conf.write_text("distribution.listener.port_range.min = 7001\ndistribution.listener.port_range.max = 7002\n")
    assert layout.configured_ports(str(conf)) == (4370, (7001, 7002))
    env.write_text("eval x\n")
    assert layout.configured_ports() == (4369, (25672,))
