# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:galera where clusters are not three equal nodes, disks are full, and state transfers are long."""

import pytest

from lab.faults import machine
from lab.faults.fault import wait_for
from lab.faults.galera import kill
from lab.services import galera
from lab.services.galera_watch import synced
from tests.lab.galera_cluster import LIMIT, assert_lost, assert_whole, serving
from tests.lab.output import eventually, text


def test_the_survivor_of_two_goes_on_once_the_other_is_known_to_be_off():
    with serving("ttwo", count=2, parameters={"two_node_mode": "true"}) as world:
        world.lab.power_cut("n2", stay_off=True)
        assert_lost(world, ["n1"])
        assert_whole(world, ["n1"])
        world.lab.power_on("n2")
        assert_whole(world)


def test_without_that_mode_the_survivor_of_two_waits_and_says_for_whom():
    with serving("tpair", count=2) as world:
        world.lab.power_cut("n2", stay_off=True)
        assert_lost(world, ["n1"])
        eventually(world.lab, "n1", ["crm_mon", "-1A"], "not in a primary component (missing: n2)", "quorate bootstrap n1")
        assert not synced(world.watch.observed, ["n1"])
        world.lab.power_on("n2")
        assert_whole(world)


def size(world, node):
    """Members of the component that a node's server is in."""
    return world.watch.observed[node].size if node in world.watch.observed else None


SETTLED = """awk '{word[$1] = $2; count[$1] = NF - 1} END {
    print count["members"] " members, " (word["settled"] == word["uuid"] ":" word["seq"] ? "settled" : "open")
}' /var/lib/quorate/galera-db/view"""
GARBD = "garbd -d -a gcomm://n1:4567,n2:4567 -g %s -l /var/log/garbd.log"


def test_an_arbitrator_votes_and_is_not_waited_for():
    """n3 holds no data: with it n1 goes on when n2 is lost, and without its data n1 comes back."""
    def away(lab):
        lab.check("n1", ["pcs", "constraint", "location", "add", "no-data", "db-clone", "n3", "-INFINITY", "--force"])

    with serving("tgarbd", ["n1", "n2"], parameters={"arbitrators": "n3"}, after=away) as world:
        lab, data = world.lab, ["n1", "n2"]
        lab.check("n3", GARBD % lab.name)
        assert wait_for(lambda: size(world, "n1") == 3, LIMIT, 0.5), "the arbitrator is no member"
        eventually(world.lab, "n1", "cat /var/lib/quorate/galera-db/view", "arbitrators ")
        lab.power_cut("n2", stay_off=True)
        assert wait_for(lambda: size(world, "n1") == 2, LIMIT, 0.5), "n2 is not evicted"
        assert synced(world.watch.observed, ["n1"])
        eventually(world.lab, "n1", SETTLED, "2 members, settled")  # from then on n2 provably has nothing that n1 lacks
        machine.kill(lab, "n1", "mariadbd")
        assert_lost(world, ["n1"])
        assert_whole(world, ["n1"])
        lab.power_on("n2")
        assert_whole(world, data)


@pytest.fixture(scope="module")
def three():
    """Three nodes with disks of their own."""
    with serving("trare", disk=True) as world:
        yield world


def test_a_full_disk_is_named_and_the_others_go_on(three):
    machine.fill_disk(three.lab, "n2")
    try:
        kill(three.lab, "n2")
        eventually(three.lab, "n1", ["crm_mon", "-1fr"], "The file system of /var/lib/mysql is full")
        assert_whole(three, ["n1", "n3"])
    finally:
        machine.free_disk(three.lab, "n2")
    three.lab.check("n1", ["pcs", "resource", "cleanup"])
    assert_whole(three)


def test_a_state_transfer_goes_on_after_promote_and_is_shown(three):
    lab = three.lab
    galera.sql(lab, "n1", "CREATE TABLE quorate_lab.bulk (b LONGBLOB) ENGINE=InnoDB; "
                          + "INSERT INTO quorate_lab.bulk VALUES (REPEAT('x', 12000000)); " * 12)
    lab.check("n1", ["pcs", "node", "standby", "n3"])
    assert_lost(three, ["n3"])
    lab.check("n3", "while pidof mariadbd; do sleep 0.1; done; rm -rf /var/lib/mysql/*")
    machine.slow_disk(lab, "n3", 2 << 20, 200)
    try:
        lab.check("n1", ["pcs", "node", "unstandby", "n3"])
        assert wait_for(lambda: "n3" in lab.promoted("db"), LIMIT, 0.5), text(three.lab, "n1", ["crm_mon", "-1A"])
        eventually(three.lab, "n1", ["crm_mon", "-1A"], "receives a state transfer")
        assert not synced(three.watch.observed, ["n3"])
        assert_whole(three, ["n1"])  # rsync blocks its donor, and no other node
    finally:
        machine.fast_disk(lab, "n3")
    assert_whole(three)


TAKE_PORT = """(python3 -c 'import signal, socket
taken = socket.socket(); taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
taken.bind(("0.0.0.0", 3306)); taken.listen(); signal.pause()' >/dev/null 2>&1 & echo $! >/run/port-taken)"""
FREE_PORT = "kill $(cat /run/port-taken)"


def test_a_first_bootstrap_that_failed_is_as_if_it_had_not_been():
    """The next try was taken for a lost cluster, and wanted an order with --force."""
    def fails_first(lab, **parameters):
        lab.check("n1", TAKE_PORT)
        galera.create(lab, **parameters)
        eventually(lab, "n1", ["crm_mon", "-1f"], "Port 3306 is taken by python3")
        eventually(lab, "n1", ["quorate", "explain", "db"], "No node was ever in a cluster")
        lab.check("n1", FREE_PORT)

    with serving("tfirst", create=fails_first) as world:
        assert_whole(world)


def test_of_equal_nodes_another_bootstraps_where_one_cannot_start(three):
    """All stood at the same position, n1's files belonged to root, and the whole database stayed down."""
    lab = three.lab
    lab.check("n1", ["pcs", "resource", "disable", "db-clone", "--wait=60"], 90)
    lab.check("n1", "chown root:root /var/lib/mysql/ibdata1; chmod 600 /var/lib/mysql/ibdata1")
    try:
        lab.check("n1", ["pcs", "resource", "enable", "db-clone"])
        assert_whole(three, ["n2", "n3"])
        eventually(lab, "n1", ["crm_mon", "-1f"], "ibdata1")
    finally:
        lab.check("n1", "chown mysql:mysql /var/lib/mysql/ibdata1; chmod 660 /var/lib/mysql/ibdata1")
    assert_whole(three)


def test_an_old_disk_that_is_mounted_again_does_not_vote(three):
    """n3 received everything into another directory meanwhile, and an old one under its name says what it said then."""
    lab = three.lab
    lab.check("n1", ["pcs", "resource", "ban", "db-clone", "n3"])
    assert_lost(three, ["n3"])
    lab.check("n3", "while pidof mariadbd; do sleep 0.1; done; mkdir /var/lib/mysql/old; cd /var/lib/mysql; "
                    "find . -mindepth 1 -maxdepth 1 ! -name old -exec mv -t old {} +")
    lab.check("n3", "mv /var/lib/mysql/old /srv/old")
    lab.check("n1", ["pcs", "resource", "clear", "db-clone", "n3"])
    assert_whole(three)
    lab.check("n1", ["pcs", "resource", "disable", "db-clone", "--wait=60"], 90)
    lab.check("n3", "mkdir /srv/new; cd /var/lib/mysql; find . -mindepth 1 -maxdepth 1 -exec mv -t /srv/new {} +; "
                    "cd /srv/old; find . -mindepth 1 -maxdepth 1 -exec mv -t /var/lib/mysql {} +")
    lab.check("n1", ["pcs", "resource", "enable", "db-clone"])
    eventually(lab, "n3", ["journalctl", "--no-pager"], "is not the data directory that last served here")
    # Where n1 or n2 was the last to stop, it bootstraps by itself. Else this gives up what the other disk may hold.
    lab.check("n1", "sleep 5; $(quorate explain db | sed -n 's/^to go on: //p')")
    assert_whole(three)
    lab.check("n3", ["test", "-s", "/var/lib/mysql/quorate-disk-id"])
