# SPDX-License-Identifier: Apache-2.0
"""One description on a real cluster: its commands build it, `quorate diff` agrees and then names what was changed, and
`quorate status` says in each state what is true.
"""

import json
import os
import shlex

import pytest

from lab import LabError
from lab.machines import cluster
from lab.services import galera, haproxy, rabbitmq
from tests import ROOT
from tests.deep.plan.lab_plan import FENCE, plan_text
from tests.packaged import package

LIMIT = 240  # seconds; the tests look for a broken guarantee, not for a slow machine
PLAN = "/root/plan.toml"


def example(lab, node, name, path):
    """Put an example into a node, with the lab's own fence device for each node, and a unit for Apache, which is not
    there."""
    with open(os.path.join(ROOT, "examples", "plan-%s.toml" % name), encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines() if not line.startswith("fence = ")]
    lab.check(node, "cat >%s" % path, stdin="\n".join(
        line + ("\n" + FENCE if line.startswith("[nodes.") else "") for line in lines) + "\n")
    lab.check(node, "printf '[Service]\\nExecStart=/bin/sleep inf\\n' >/etc/systemd/system/apache2.service; "
                    "systemctl daemon-reload")


@pytest.fixture(scope="module")
def lab():
    """Three nodes with the services' own configuration, and the plan; no resource yet but the lab's fence device."""
    deb = package()
    with cluster.Lab("tplan-%d" % (os.getpid() % 10000000)) as made:
        made.up(suite="bookworm", deb=deb)
        galera.prepare(made)
        rabbitmq.prepare(made)
        for node in made.node_names:
            made.check(node, "cat >%s" % PLAN, stdin=plan_text(made))
            made.check(node, "quorate plan systemd %s %s | sh" % (PLAN, node))
            made.check(node, "quorate plan haproxy %s >/etc/haproxy/haproxy.cfg && haproxy -c -q -L %s "
                             "-f /etc/haproxy/haproxy.cfg" % (PLAN, node))
        yield made


@pytest.fixture(scope="module")
def built(lab):
    """The cluster as the plan's commands build it."""
    lab.check("n1", "quorate plan pcs %s >/root/plan.pcs && sh /root/plan.pcs apply" % PLAN, LIMIT * 2)
    well(lab)
    return lab


def status(lab, node="n1"):
    """(exit code, JSON) of quorate status."""
    done = lab.run(node, ["quorate", "status", "--json"], 60)
    return done.rc, json.loads(done.out) if done.out else {}


def eventually(lab, wanted, node="n1"):
    """Wait until wanted(code, data) of the status; the data."""
    last = []

    def there():
        last[:] = status(lab, node)
        return wanted(*last)

    try:
        lab.wait(there, LIMIT, "not there", every=1)
    except LabError:
        raise AssertionError(last) from None
    return last[1]


def well(lab):
    return eventually(lab, lambda code, data: code == 0)


def words(data, what="services"):
    return {one["name"]: one["word"] for one in data[what]}


def differences(lab):
    """(exit code, sentences, commands) of quorate diff."""
    done = lab.run("n1", ["quorate", "diff", PLAN], 60)
    lines = done.out.splitlines()
    return (done.rc, [line for line in lines if not line.startswith("    -> ")],
            [line[len("    -> "):] for line in lines if line.startswith("    -> ")])


def test_without_the_resources_each_is_missed(lab):
    code, said, _commands = differences(lab)
    assert code == 1
    for name in ("haproxy (systemd:haproxy)", "vip-internal (ocf:heartbeat:IPaddr2)", "galera (ocf:quorate:galera)",
                 "rabbitmq (ocf:quorate:rabbitmq)", "memcached (systemd:memcached)"):
        assert "%s is missing." % name in said


def test_the_full_example_as_a_shadow(lab):
    """Every resource there is, on a copy of this cluster's configuration; crm_simulate then shows that all start."""
    example(lab, "n1", "three-controllers", "/root/full.toml")
    said = lab.check("n1", "quorate plan pcs /root/full.toml --shadow /root/full.xml", LIMIT * 2)
    command = next(line.partition(":")[2].strip() for line in said.splitlines()
                   if line.startswith("What the cluster would"))
    shown = lab.check("n1", command)
    for name in ("haproxy:2", "vip-public", "galera:2", "rabbitmq:2", "memcached:2", "httpd:2", "cinder-volume",
                 "heat-engine",
                 "nova-novncproxy", "fence-n3"):
        assert any(line.split()[1:3] == ["Start", name] for line in shown.splitlines()), (name, shown)
    assert "galera" not in lab.check("n1", ["cibadmin", "-Q", "-o", "resources"]), "the running cluster was changed"
    assert shadow_differs(lab) == (0, "The cluster is as /root/full.toml describes it.\n")


def shadow_differs(lab):
    """quorate diff of /root/full.toml, against the shadow: Pacemaker's tools take it for the cluster's
    configuration."""
    done = lab.run("n1", "CIB_file=/root/full.xml quorate diff /root/full.toml", 60)
    return done.rc, done.out


def test_the_commands_build_a_cluster_that_is_as_described(built):
    data = well(built)
    assert words(data) == dict(dict.fromkeys(
        ("haproxy", "vip-internal", "galera", "rabbitmq", "memcached", "fence", "fence-n1", "fence-n2", "fence-n3"),
        "well"))
    assert data["addresses"] == {"vip-internal": built.vip}
    assert {one["name"] for one in data["haproxy"]} >= {"galera_cluster"}
    galera.users(built)
    built.wait(lambda: haproxy.answers(built), LIMIT, "nothing answers on the VIP")
    assert differences(built) == (0, ["The cluster is as %s describes it." % PLAN], [])


def test_what_is_changed_is_named_and_its_command_removes_the_difference(built):
    for words_ in ("resource update galera drain_timeout=30s", "resource meta galera-clone promoted-max=2",
                   "resource update vip-internal op monitor interval=5s timeout=99s",
                   "resource delete memcached", "property set maintenance-mode=true",
                   "resource defaults update resource-stickiness=0", "resource meta haproxy migration-threshold=",
                   "constraint order remove haproxy-clone vip-internal"):
        built.check("n1", "pcs " + words_)
    code, said, commands = differences(built)
    assert code == 1 and len(said) == len(commands) == 8, said
    for part in ("drain_timeout of galera is '30s', the plan does not have it.",
                 "promoted-max of galera-clone is '2', the plan has '3'.",
                 "The timeout of monitor of vip-internal is 99 s, the plan has 20 s.",
                 "memcached (systemd:memcached) is missing.", "The cluster is in maintenance mode.",
                 "The default resource-stickiness is 0, the plan has 100.",
                 "migration-threshold of haproxy is not set, the plan has '1'."):
        assert part in said
    assert any(one.startswith("There is no order between start of haproxy-clone and start of vip-internal.") for one in said)
    for command in commands:
        built.check("n1", shlex.split(command))
    assert differences(built)[:2] == (0, ["The cluster is as %s describes it." % PLAN])
    well(built)


def test_what_an_operator_orders_is_said_with_its_end(built):
    built.check("n1", "pcs node standby n3")
    data = eventually(built, lambda code, data: words(data).get("galera") == "partly" and data["level"] == "planned")
    assert words(data, "nodes")["n3"] == "standby"
    assert "pcs node unstandby n3" in [one["command"] for one in data["troubles"]]
    built.check("n1", "pcs node unstandby n3")
    well(built)


def test_haproxy_that_dies_loses_its_address_and_is_remembered(built):
    before = next(one["nodes"] for one in status(built)[1]["instances"] if one["service"] == "vip-internal")[0]
    built.check(before, "kill -9 $(pidof haproxy)")
    data = eventually(built, lambda code, data: any(
        one["service"] == "vip-internal" and one["nodes"] != [before] for one in data["instances"]))
    assert any(one["text"].startswith("haproxy on %s" % before) for one in data["troubles"])
    built.check("n1", "pcs resource cleanup")
    well(built)


def test_a_node_without_cluster_says_what_to_type(built):
    built.check("n2", ["systemctl", "stop", "pacemaker", "corosync"], 90)
    for words_ in (["quorate", "status"], ["quorate", "diff", PLAN]):
        done = built.run("n2", words_)
        assert (done.rc, done.out) == (2, "")
        assert done.err == "quorate: Pacemaker does not run on this node; start it with 'pcs cluster start'.\n"
    data = eventually(built, lambda code, data: words(data, "nodes")["n2"] == "OFF")
    assert "pcs cluster start n2" in [one["command"] for one in data["troubles"]]


def test_pacemaker_3_takes_the_five_nodes(lab):
    """pcs 0.12 on a configuration without a cluster, with rules by role."""
    with cluster.Lab("tplan3-%d" % (os.getpid() % 10000000)) as three:
        three.up(suite="trixie", deb=package(), count=1)
        three.check("n1", ["systemctl", "stop", "pacemaker", "corosync"], 90)
        example(three, "n1", "five-dedicated", "/root/full.toml")
        said = three.check("n1", "quorate plan pcs /root/full.toml --shadow /root/full.xml", LIMIT * 3)
        shown = three.check("n1", next(line.partition(":")[2].strip() for line in said.splitlines()
                                       if line.startswith("What the cluster would")))
        assert shadow_differs(three) == (0, "The cluster is as /root/full.toml describes it.\n")
        starts = [line.split() for line in shown.splitlines() if line.split()[1:2] == ["Start"]]
        where = {}
        for line in starts:
            where.setdefault(line[2].partition(":")[0], set()).add(line[4])
        assert where["galera"] == where["rabbitmq"] == {"data1", "data2", "data3"}
        assert where["haproxy"] == where["memcached"] == {"ctl1", "ctl2"}
        assert where["vip-cloud"] | where["cinder-volume"] | where["nova-consoleauth"] <= {"ctl1", "ctl2"}
        assert where["nova-consoleauth"] == where["nova-novncproxy"]
