# SPDX-License-Identifier: Apache-2.0
"""quorate status: how the cluster and HAProxy are asked."""

import socket
import threading

import pytest

from quorate.host.clock import Deadline
from quorate.pacemaker.tools import Unavailable
from quorate.status import observe
from tests.fakes import FakeClock, FakeCommands
from tests.unit.status.clusters import captured


@pytest.mark.parametrize("text", ["", "Unknown command", "# a,b,c\n1,2,3"])
def test_garbage_is_no_statistics(text):
    with pytest.raises(ValueError, match="statistics"):
        observe.parse_proxies(text)


def asked(commands, **more):
    return observe.observe(commands, Deadline(FakeClock(), 30), **more)


def test_what_is_asked():
    commands = FakeCommands()
    commands.expect("crm_mon", "--output-as=xml", out=captured("healthy.xml"))
    commands.expect("cibadmin", "-Q", "-o", "configuration", out=captured("configuration.xml"))
    commands.expect("crm_node", "-n", out="n2\n")
    found = asked(commands, proxies=lambda: (), drained=lambda: "why")
    commands.done()
    assert (found.node, found.configured.name, found.proxies, found.drained, found.gaps) == ("n2", "planpcs", (), "why",
                                                                                             ())


def test_a_cluster_that_is_down():
    with pytest.raises(Unavailable, match="pcs cluster start"):
        asked(FakeCommands().expect("crm_mon", ..., rc=102, out=captured("down.xml")))


def test_what_else_cannot_be_asked_is_said():
    def no_haproxy():
        raise Unavailable("HAProxy hangs.")
    commands = FakeCommands().allow("crm_mon", ..., out=captured("healthy.xml"))
    commands.allow("cibadmin", ..., rc=1, err="no permission").allow("crm_node", ..., rc=1)
    found = asked(commands, proxies=no_haproxy)
    assert found.configured is None and found.proxies is None and found.node is None
    assert len(found.gaps) == 3 and "no permission" in found.gaps[0] and found.gaps[2] == "HAProxy hangs."


def test_haproxy_is_asked_on_its_socket(tmp_path):
    """A real socket: one that answers, one that nobody listens on, one that is silent."""
    path = str(tmp_path / "admin.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        assert observe.proxies((path,)) is None  # nobody listens: it has ended
        server.listen(2)

        def answer():
            with server.accept()[0] as connection:
                assert connection.recv(100) == b"show stat\n"
                connection.sendall(captured("show_stat.csv").encode())

        thread = threading.Thread(target=answer)
        thread.start()
        assert [one.name for one in observe.proxies((str(tmp_path / "none"), path))] == ["galera"]
        thread.join()
        with pytest.raises(Unavailable, match="does not answer on"):
            observe.proxies((path,), 0.05)
    assert observe.proxies((str(tmp_path / "none"),)) is None
