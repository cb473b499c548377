# SPDX-License-Identifier: Apache-2.0
"""epmd's names, and whether other nodes can be reached."""

import pytest

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


@pytest.mark.parametrize("text, found", [
    (b"name rabbit at port 25672\n", {"rabbit": 25672}), (b"name a at port x\nname b at port 2\n", {"b": 2}),
    (b"name a on port 1\nname b at door 2\nnode c at port 3\nname d at port 4 now\nname at port 5", {}),
    (b"name \xff at port 1\n", {"\ufffd": 1}), (b"", {})])
def test_lines_of_an_answer(text, found):
    assert epmd.parse(text) == found


class Line:
    """A connection that gives these pieces, each after a second of the clock."""

    def __init__(self, pieces, clock):
        self.pieces, self.clock, self.limits, self.sent = list(pieces), clock, [], b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def sendall(self, data):
        self.sent += data

    def settimeout(self, seconds):
        self.limits.append(round(seconds, 3))

    def recv(self, most):
        assert most >= 4096
        self.clock.append(self.clock[-1] + 1.0)
        return self.pieces.pop(0) if self.pieces else b""


@pytest.fixture
def line(monkeypatch):
    """line(*pieces): a Line that is what anybody connects to; connected: how (host, port, limit)."""
    def make(*pieces):
        clock = [100.0]
        made = Line(pieces, clock)
        made.connected = []
        monkeypatch.setattr(epmd, "monotonic", lambda: clock[-1])
        monkeypatch.setattr("quorate.host.names.connect", lambda *how: (made.connected.append(how), made)[1])
        return made
    return make


def test_an_answer_in_pieces_within_the_time_of_the_question(line):
    made = line(b"\0\0\x11\x11name a ", b"at port 1\nname b at", b" port 2\n")
    assert epmd.names(timeout=2.5) == {"a": 1, "b": 2}
    assert made.sent == b"\0\1n" and made.limits == [2.5, 1.5, 0.5, 0.01]
    assert made.connected == [("127.0.0.1", 4369, 2.5)]
    assert epmd.names("h", 5, 0) == {} and made.connected[-1] == ("h", 5, 0.01)


def test_an_answer_without_an_end_is_cut_off(line):
    made = line(*[b"\0\0\x11\x11" + b"x" * 32764] * 5)
    assert epmd.names() == {} and len(made.pieces) == 3


def test_the_default_limits(line):
    made = line()
    epmd.names()
    epmd.knows("rabbit@n1")
    epmd.knows("rabbit@n1", timeout=3.0)
    assert [limit for _, _, limit in made.connected] == [1.0, 1.0, 3.0]
    assert epmd.is_reachable("rabbit@a@b", timeout=0.0) is None
    assert made.connected[-1] == ("a@b", 4369, 0.01)
    epmd.is_reachable("rabbit@n1")
    assert made.connected[-1] == ("n1", 4369, 1.5)


def test_who_answers_is_asked_for_its_port(line):
    made = line(b"\0\0\0\0name rabbit at port 7\n")
    assert epmd.is_reachable("rabbit@n1", timeout=3.0) is True
    assert made.connected == [("n1", 4369, 3.0), ("n1", 7, 3.0)]


def test_ports_without_epmd_share_the_time(monkeypatch):
    clock, asked = [100.0], []

    def connect(host, port, seconds):
        clock[0] += 1.0
        asked.append((host, port, round(seconds, 3)))
        raise OSError()

    monkeypatch.setattr(epmd, "monotonic", lambda: clock[0])
    monkeypatch.setattr("quorate.host.names.connect", connect)
    assert epmd.is_reachable("rabbit@n1", fallback=(1, 2, 3), timeout=1.5) is False
    assert asked == [("n1", 4369, 1.5), ("n1", 1, 1.5), ("n1", 2, 0.5), ("n1", 3, 0.1)]
    assert epmd.knows("rabbit@n1") is False
