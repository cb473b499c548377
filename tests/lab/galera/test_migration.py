# SPDX-License-Identifier: Apache-2.0
"""A running resource of ocf:heartbeat:galera moves over as docs/migrating.md says, under a client that writes."""

import os
import re

import pytest

from lab.machines.cluster import Lab
from lab.services import galera, haproxy
from tests import ROOT
from tests.packaged import package

# As the peer's users have it: everything is named.
PARAMETERS = {
    "binary": "/usr/bin/mariadbd-safe", "client_binary": "/usr/bin/mariadb", "config": "/etc/mysql/my.cnf",
    "datadir": "/var/lib/mysql", "socket": "/run/mysqld/mysqld.sock", "pid": "/run/mysqld/mysqld.pid",
    "log": "/var/log/mysql/error.log", "enable_creation": "true"}


def _documented():
    """The commands of docs/migrating.md, one shell script."""
    with open(os.path.join(ROOT, "docs", "migrating.md"), encoding="utf-8") as file:
        return re.search(r"```\n(pcs resource unmanage.*?)```", file.read(), re.DOTALL).group(1)


def _servers(lab):
    """Process id and start of the server on each node."""
    return [lab.check(name, "ps -o pid=,lstart= -C mariadbd").strip() for name in lab.node_names]


def _journal(lab):
    """The journals of HAProxy and of the check on each node."""
    command = ("journalctl -q -o short-precise -u haproxy -u 'quorate-galera-check*' | grep -v -e ' 0/0/' | "
               "tail -40")
    return "\n".join(lab.run(name, command).out for name in lab.node_names)


@pytest.fixture
def lab():
    deb = package()
    with Lab("migration") as made:
        made.up(deb=deb)
        galera.prepare(made)
        galera.create(made, agent="ocf:heartbeat:galera", **PARAMETERS)
        galera.wait_synced(made)
        galera.users(made)
        haproxy.set_up(made)
        yield made


def test_a_live_resource_moves_over(lab):
    """No database stops, no acknowledged write is lost, and the new agent then does everything the old one did."""
    before = _servers(lab)
    with galera.Client(lab) as client:
        lab.check("n1", "cd /root && set -e\n" + _documented() + "crm_resource --wait", 120)
        moved = client.scene()

        assert before == _servers(lab)
        assert 0 == moved["failed"], "%s\n%s" % (client.figures()["errors"], _journal(lab))
        assert "provider=quorate" in lab.check("n1", "pcs resource config db")
        assert 3 == len(lab.promoted("db"))

        lab.check("n3", ["sh", "-c", "kill -9 $(cat /run/mysqld/mysqld.pid)"])
        lab.wait(lambda: galera.ask(lab, "n3").state == "down", 10, "n3 does not notice that its server was killed")
        galera.wait_synced(lab)

        lab.check("n1", "pcs resource ban db-clone n2; crm_resource --wait; pcs resource clear db-clone n2", 180)
        galera.wait_synced(lab)

    lab.check("n1", "pcs resource disable db; crm_resource --wait; pcs resource enable db", 180)
    galera.wait_synced(lab)
    assert {name: [] for name in lab.node_names} == galera.verify(lab, client.record)
