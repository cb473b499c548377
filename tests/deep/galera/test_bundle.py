# SPDX-License-Identifier: Apache-2.0
"""ocf:quorate:galera in a Pacemaker bundle: podman containers with the host's network and data, attributes on the
host."""

import pytest

from lab.faults.galera import kill
from lab.images import remote
from lab.services import galera
from tests.lab.galera_cluster import SUITE, assert_lost, assert_whole, serving
from tests.lab.output import eventually
from tests.packaged import package

# The containers get the node's own programs and a copy of its configuration. libqb has to keep its sockets apart from
# those of the host: with the host's network they share the abstract ones. The rest is for a container within the lab's
# container.
IMAGE = r"""
set -e
printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' \
    >/etc/containers/storage.conf
printf '[containers]\nkeyring = false\n' >/etc/containers/containers.conf
mkdir -p /var/lib/quorate /root/image; install -d -o mysql /run/mysqld; cd /root/image
mkdir -p usr var/lib/mysql var/log/mysql var/log/pacemaker var/lib/quorate var/lib/pacemaker/cores var/tmp run/lock
mkdir -p run/mysqld tmp proc sys dev root
chmod 1777 tmp var/tmp; ln -s /run var/run
cp -a /etc etc; mkdir -p etc/libqb; touch etc/libqb/force-filesystem-sockets
for name in bin sbin lib lib64; do ln -s usr/$name $name; done
tar -c . | podman import - localhost/node:1
"""
BUNDLE = """pcs resource bundle create db-bundle container podman image=localhost/node:1 replicas=3 replicas-per-host=1
promoted-max=3 network=host run-command=/usr/sbin/pacemaker-remoted""".split() + [
    "options=--cgroups=disabled --user=root --log-driver=k8s-file", "network", "control-port=3121"]
SHARED = ("/usr", "/var/lib/mysql", "/var/log/mysql", "/var/lib/quorate",
          "/run/mysqld")  # the last one for clients on the host


def create(lab, **parameters):
    """The bundle and the resource in it."""
    for node in lab.node_names:
        lab.check(node, IMAGE, 120)
    words = BUNDLE[:]
    for number, path in enumerate(SHARED):
        words += ["storage-map", "id=shared-%d" % number, "source-dir=" + path, "target-dir=" + path, "options=rw"]
    lab.check("n1", words + ["--disabled"])
    lab.check("n1", ["pcs", "resource", "create", galera.RESOURCE, "ocf:quorate:galera",
                     "wsrep_cluster_address=gcomm://n1,n2,n3",
                     "meta", "container-attribute-target=host", "bundle", "db-bundle"])
    lab.check("n1", ["pcs", "resource", "enable", "db-bundle"])


@pytest.fixture(scope="module")
def world():
    package()  # skips where there can be no lab
    with serving("tbundle", create=create, layers=remote.ensure(SUITE, print)) as found:
        yield found


def test_the_attributes_are_the_hosts(world):
    assert_whole(world)
    shown = eventually(world.lab, "n1", ["attrd_updater", "-Q", "-A", "-n", "master-db"], 'host="n1"', 'host="n2"',
                       'host="n3"')
    assert "db-bundle" not in shown
    eventually(world.lab, "n1", ["quorate", "explain", "db"], "n1", "n2", "n3", "synced")


def test_a_server_is_killed_and_then_all(world):
    kill(world.lab, "n2")
    assert_lost(world, ["n2"])
    assert_whole(world)
    for node in world.nodes:
        kill(world.lab, node)
    assert_lost(world, world.nodes)
    assert_whole(world)


def test_a_container_is_killed(world):
    world.lab.check("n3", "podman kill $(podman ps -q --filter name=db-bundle)")
    assert_lost(world, ["n3"])
    assert_whole(world)


def test_power_cut_of_all(world):
    world.lab.power_cut(*world.nodes, stay_off=True)
    assert_lost(world, world.nodes)
    world.lab.power_on(*world.nodes)
    assert_whole(world)
