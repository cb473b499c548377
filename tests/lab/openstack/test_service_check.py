# SPDX-License-Identifier: Apache-2.0
"""service-check as HAProxy asks it: resident, over HTTP, one for each service that stays with systemd, in front of real
processes with real sockets (tests/unit/openstack/service/forking_service.py under the service's name)."""

import os
import signal
import subprocess
import sys

import pytest

from bench.one_server import exchange, free_port, until
from tests import ROOT
from tests.unit.openstack.service.stand_ins import SOURCE, Broker

CHECK = os.path.join(ROOT, "checks", "service-check")
APIS = ("nova-api", "glance-api", "neutron-server", "keystone", "heat-api", "cinder-api")
CALLERS = ("nova-scheduler", "nova-conductor", "cinder-scheduler")


class Stand:
    """One service and its check; `get(path)` is HAProxy."""

    def __init__(self, directory, name, broker):
        program, config = directory / name, directory / (name + ".conf")
        program.write_text(open(SOURCE, encoding="utf-8").read())
        self.own = free_port()
        config.write_text(
            "[DEFAULT]\nhost=n1\ntransport_url = rabbit://u:p@127.0.0.1:%d/v\nenabled_backends=%s\n"
            "[test]\nlinger=0\n%s" % (broker.port, "" if name in APIS else "a,b", "listen=%d\n" % self.own if name in APIS else ""))
        self.process = subprocess.Popen([sys.executable, str(program), "--config-file=%s" % config],
                                        stdin=subprocess.DEVNULL)
        self.port = free_port()
        words = [CHECK, "--listen", "127.0.0.1:%d" % self.port, "--config", str(config), "--drain-directory",
                 str(directory / "drain")]
        words += ["--port", str(self.own), "--host", "127.0.0.1"] if name in APIS else []
        self.check = subprocess.Popen(words + [name], stdin=subprocess.DEVNULL)

    def get(self, path="/", method="GET"):
        """(status, text); (0, '') without an answer."""
        said = exchange(self.port, ("%s %s HTTP/1.0\r\n\r\n" % (method, path)).encode()).decode()
        return (int(said.split()[1]), said.partition("\r\n\r\n")[2].strip()) if said.startswith("HTTP/1.") else (0, "")

    def says(self, status, word, path="/", method="GET"):
        """Wait for such an answer: on a busy machine one observation may come late, and then it is 503."""
        until(lambda: (lambda said: said[0] == status and word in said[1])(self.get(path, method)), 20,
              "%d with %r for %s %s" % (status, word, method, path))

    def end(self):
        self.process.send_signal(signal.SIGCONT)
        for one in (self.process, self.check):
            one.kill()
            one.wait()


@pytest.fixture
def stand(tmp_path):
    broker, made = Broker(), []

    def begin(name):
        made.append(Stand(tmp_path, name, broker))
        return made[-1]

    yield begin
    for one in made:
        one.end()
    broker.close()


@pytest.mark.parametrize("name", APIS + CALLERS)
def test_haproxy_follows_a_service_that_works_hangs_and_is_gone(stand, name):
    one = stand(name)

    one.says(200, "%s works: " % name)
    one.says(200, "answers 200 on port %d" % one.own if name in APIS else "connected to RabbitMQ")
    one.says(200, "", method="HEAD")
    one.says(200, "", method="OPTIONS")

    one.process.send_signal(signal.SIGSTOP)
    one.says(503, "SIGSTOP")
    one.says(200, "SIGSTOP", "/live")
    one.process.send_signal(signal.SIGCONT)
    one.says(200, "works")

    one.process.kill()
    one.process.wait()
    one.says(503, "does not run")
    one.says(503, "does not run", "/live")
