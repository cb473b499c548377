# SPDX-License-Identifier: Apache-2.0
"""OpenStack's messaging library on a real cluster of three brokers, with the examples' settings, while a node is
killed."""

import os
import select
import signal
import socket
import subprocess
import threading

import pytest

from bench.one_server import until
from tests import ROOT
from tests.lab.rabbitmq.broker import Broker, Check, Epmd, missing
from tests.listening import serve_each

PYTHON = "/usr/bin/python3"


def without_oslo():
    """Why it cannot be tried here; None when it can."""
    found = subprocess.run([PYTHON, "-c", "import oslo_messaging"], stderr=subprocess.DEVNULL, check=False)
    return None if found.returncode == 0 else "oslo.messaging is not installed: apt-get install python3-oslo.messaging"


REASON = missing() or without_oslo()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.fixture(scope="module")
def brokers(tmp_path_factory):
    home, epmd = tmp_path_factory.mktemp("oslo"), Epmd()
    three = [Broker(home, name, epmd) for name in ("r1", "r2", "r3")]
    try:
        for one in three:
            one.launch()
        for one in three:
            until(one.answers, 120, "an answer of %s" % one.node)
            one.ctl("await_startup")
        for one in three[1:]:
            for words in (["stop_app"], ["join_cluster", three[0].node], ["start_app"]):
                one.ctl(*words)
        three[0].ctl("add_user", "openstack", "SECRET")
        three[0].ctl("set_permissions", "openstack", ".*", ".*", ".*")
        yield three
    finally:
        for one in three:
            one.kill()
        epmd.stop()


class Address:
    """Stands in for a VIP: one address that leads to the first broker whose check says that it is fit, and cuts those
    that are connected when it moves (a moved VIP does so with a reset)."""

    def __init__(self, brokers, checks):
        self.brokers, self.checks = brokers, checks
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        serve_each(self._listener, self._carry)

    def _carry(self, one):
        fit = [broker for broker, check in zip(self.brokers, self.checks) if check.get()[0] == 200]
        try:
            with one, socket.create_connection(("127.0.0.1", fit[0].amqp), 5) as other:
                while True:
                    for ready in select.select([one, other], [], [])[0]:
                        data = ready.recv(65536)
                        if not data:
                            return
                        (other if ready is one else one).sendall(data)
        except (OSError, IndexError):
            pass

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


class Pair:
    """A server and a client with the settings of an example, whose addresses are put in place."""

    def __init__(self, example, home, addresses):
        with open(os.path.join(ROOT, "examples", example), encoding="utf-8") as file:
            text = file.read()
        for shown, port in addresses:
            assert shown in text
            text = text.replace(shown, "127.0.0.1:%d" % port)
        path = os.path.join(str(home), "service.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "oslo_rpc.py")
        self.calls = []
        with open(os.path.join(str(home), "words"), "wb") as words:  # what to read when this fails
            self.server, self.client = (subprocess.Popen([PYTHON, script, role, path], stdin=subprocess.DEVNULL,
                                                         text=True,
                                                         stdout=subprocess.PIPE, stderr=words)
                                        for role in ("server", "client"))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.client.stdout:
            seconds, number, attempts = line.split()
            self.calls.append((float(seconds), int(number), int(attempts)))

    def go_on(self, count, seconds):
        """Wait for so many more answers."""
        wanted = len(self.calls) + count
        until(lambda: len(self.calls) >= wanted, seconds, "%d more answers" % count)

    def longest_gap(self):
        """Seconds of the longest silence between two answers."""
        times = [seconds for seconds, _, _ in self.calls]
        return max(later - earlier for earlier, later in zip(times, times[1:]))

    def end(self):
        for one in (self.client, self.server):
            one.send_signal(signal.SIGKILL)
            one.wait()


def serving(pair, brokers):
    """The broker that the server's connections lead to."""
    import psutil
    ports = {one.raddr.port for one in psutil.Process(pair.server.pid).connections() if one.raddr}
    return next(broker for broker in brokers if broker.amqp in ports)


def test_all_hosts_listed(brokers, tmp_path):
    pair = Pair("oslo-messaging.conf", tmp_path, [("192.0.2.1%d:5672" % number, one.amqp)
                                                  for number, one in enumerate(brokers, 1)])
    try:
        pair.go_on(20, 60)
        kinds = dict(line.split() for line in brokers[0].ctl("list_queues", "--no-table-headers", "name",
                                                             "type").splitlines())
        assert "quorum" == kinds["quorate-test"] == kinds["quorate-test.here"]

        victim = serving(pair, brokers)
        victim.kill()
        pair.go_on(20, 90)
        print("all hosts: longest silence %.1f s" % pair.longest_gap())
    finally:
        pair.end()
    assert [number for _, number, _ in pair.calls] == list(range(1, len(pair.calls) + 1))
    victim.start()


def test_one_address_that_moves(brokers, tmp_path):
    checks = [Check(one) for one in brokers]
    address = Address(brokers, checks)
    try:
        for one in checks:
            one.turns(200, seconds=60)
        pair = Pair("oslo-messaging-vip.conf", tmp_path, [("192.0.2.100:5672", address.port)])
        try:
            pair.go_on(20, 60)
            brokers[0].kill()
            pair.go_on(20, 90)
            print("one address: longest silence %.1f s" % pair.longest_gap())
        finally:
            pair.end()
    finally:
        address.close()
        for one in checks:
            one.stop()
    assert [number for _, number, _ in pair.calls] == list(range(1, len(pair.calls) + 1))
