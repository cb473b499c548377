# SPDX-License-Identifier: Apache-2.0
"""docs/plan.md, "From three bare machines", followed word for word: nodes without a cluster become one.

What the page leaves to the reader is done here as well: the password of hacluster, and the services' own settings.
"""

import json
import os
import secrets

import pytest

from lab.front_door import deployment
from lab.machines import cluster
from lab.services import galera, haproxy, rabbitmq
from tests.deep.plan.lab_plan import plan_text
from tests.packaged import package

LIMIT = 300  # seconds; the tests look for a broken guarantee, not for a slow machine


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def lab(request):
    """Three machines with the packages, and no cluster: Pacemaker 2.1 and pcs 0.11, then 3.0 and 0.12."""
    deb = package()
    with cluster.Lab("tnew-%d" % (os.getpid() % 10000000)) as made:
        made.up(suite=request.param, deb=deb)
        for node in made.node_names:
            made.check(node, ["pcs", "cluster", "destroy", "--force"], 120)
            made.check(node, ["test", "!", "-e", "/etc/corosync/corosync.conf"])
        galera.prepare(made)
        rabbitmq.prepare(made)
        yield made


def test_the_page_makes_a_control_plane_of_three_bare_machines(lab):
    password = secrets.token_hex(8)
    for node in lab.node_names:
        lab.check(node, "chpasswd && systemctl start pcsd", stdin="hacluster:%s\n" % password)
        lab.check(node, "install -d /etc/quorate && cat >%s" % deployment.PLAN_PATH, stdin=plan_text(lab))
        for words in deployment.documented("on each node"):
            if not words.startswith("apt "):  # the packages are there
                lab.check(node, words, LIMIT)

    said = []
    for words in deployment.documented("on one node"):
        if words.endswith("--watch"):  # the reader ends it with Ctrl-C
            lab.wait(lambda: lab.run("n1", words.replace(" --watch", ""), 60).rc == 0, LIMIT, "not well: %s"
                     % status(lab))
            words = "timeout --preserve-status -s INT 5 " + words
            said.append(lab.run("n1", words, 60).out)
        else:
            said.append(lab.check("n1", words, LIMIT, stdin=password + "\n" if " host auth " in words else None))

    assert any("Nothing was changed" in one for one in said) and any("Applied." in one for one in said)
    assert "galera" in said[-1]
    assert {"well"} == {one["word"] for one in status(lab)["services"]}
    assert lab.check("n1", ["quorate", "diff", deployment.PLAN_PATH]).startswith("The cluster is as ")
    galera.users(lab)
    lab.wait(lambda: haproxy.answers(lab), LIMIT, "nothing answers on the VIP")


def test_a_later_change_is_compared_and_loaded(lab):
    """The last line of the page."""
    for node in lab.node_names:
        lab.check(node, "quorate plan haproxy %s >/etc/haproxy/haproxy.cfg" % deployment.PLAN_PATH)
        lab.check(node, ["systemctl", "reload", "haproxy"])
    assert haproxy.answers(lab)


def status(lab):
    """The output of `quorate status --json` on n1."""
    return json.loads(lab.run("n1", ["quorate", "status", "--json"], 60).out or "{}")


def test_the_vip_leaves_a_node_before_work_on_it(lab):
    def holder():
        return next(one["nodes"][0] for one in status(lab)["instances"] if one["service"] == "vip-internal"
                    and one["nodes"])

    before = holder()
    other = next(name for name in lab.node_names if name != before)
    move, standby = deployment.documented("before work on a node")
    done = lab.run(before, move.replace("192.0.2.10", lab.vip).replace("--node n2", "--node " + other), 60)
    assert (0, True) == (done.rc, "left after" in done.err), done.err
    lab.check(before, standby)
    lab.check("n1", ["crm_resource", "--resource", "vip-internal", "--clear"])
    lab.check("n1", ["pcs", "node", "unstandby", before])
    lab.wait(lambda: status(lab).get("level") == "well" or lab.run("n1", ["quorate", "status"], 60).rc == 0, LIMIT,
             "not well: %s" % status(lab))
    assert before != holder()
