# SPDX-License-Identifier: Apache-2.0
"""The pure parts of the lab: sources, names and networks, the record, the files of a node."""

import json
import os

import pytest

from lab import LabError, state
from lab.images import sources
from lab.machines import cgroups, names, stack

DEB822 = """Types: deb
# a comment in the stanza
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: https://packages.example/tools
Suites: bookworm
Components: main

Types: deb
Enabled: no
URIs: http://mirror.example/debian
Suites: sid
Components: main
"""


def test_deb822_is_reduced_to_debian_and_renamed():
    """Foreign repositories, backports and disabled stanzas stay out; the plain archive comes first."""
    found = sources.for_suite(sources.parse(DEB822, "debian.sources"), "trixie")

    assert [
        sources.Source("http://mirror.example/debian", "trixie", ("main",)),
        sources.Source("http://mirror.example/debian", "trixie-updates", ("main",)),
        sources.Source("http://mirror.example/debian-security", "trixie-security", ("main",)),
    ] == found


@pytest.mark.parametrize("line, expected", [
    ("deb http://mirror.example/debian bookworm main", True),
    ("deb [arch=amd64 signed-by=/k.gpg] http://other.example/debian/ bookworm main non-free", True),
    ("deb http://proxy.example:3142/debian bookworm main", True),
    ("deb http://download.docker.example/linux/debian bookworm stable", False),
    ("deb https://deb.nodesource.example/node_20.x nodistro main", False),
    ("deb http://archive.ubuntu.example/ubuntu jammy main", False),
])
def test_what_counts_as_debian(line, expected):
    """A mirror is known by the word in its path; a vendor's repository for Debian has no component main."""
    (source,) = sources.parse(line, "x.list")

    assert expected is sources.is_debian(source)


def test_lines_that_are_no_sources():
    """Comments, deb-src, short lines and files of other names give nothing."""
    text = "# deb http://mirror.example/debian bookworm main\ndeb-src http://x/debian a main\ndeb x\n"
    assert [] == sources.parse(text, "a.list")
    assert [] == sources.parse("deb http://mirror.example/debian bookworm main", "a.list.disabled")


def test_fetch_settings_of_the_host():
    """Proxies and date checks go over; hooks, indexes and empty values do not."""
    dump = ('Acquire "";\nAcquire::http::Proxy "http://p:1";\nAcquire::Check-Date "false";\n'
            'Acquire::Languages "none";\nAcquire::IndexTargets::deb::X "y";\nDPkg::Post-Invoke:: "rm";\n')

    assert 'Acquire::http::Proxy "http://p:1";\nAcquire::Check-Date "false";\n' == sources.acquire_settings(dump)
    assert "" == sources.acquire_settings("")


@pytest.mark.parametrize("name", ["", "1lab", "Lab", "a/b", "..", "a b", "x" * 17, "ü"])
def test_bad_names_are_refused(name):
    """A name becomes a path, a namespace and a control group."""
    with pytest.raises(LabError):
        names.check_name(name)


def test_subnet_is_the_same_again_unless_taken():
    """It follows from the name, gives way to what is taken, and a default route takes nothing."""
    first = names.subnet_of("lab", [])

    assert first == names.subnet_of("lab", ["0.0.0.0/0", "192.0.2.0/24"])
    assert first != names.subnet_of("lab", [first])
    assert first != names.subnet_of("lab", [names.address(first, 77)])
    with pytest.raises(LabError):
        names.subnet_of("lab", ["10.0.0.0/8"])


def test_nodes_have_addresses_clear_of_client_and_vip():
    """n1 is .11, and there are at most five."""
    found = names.nodes("10.1.2.0/24", 5)

    assert ("n1", 1, "10.1.2.11") == found[0]
    assert not {names.address("10.1.2.0/24", n) for n in (names.CLIENT, names.VIP)} & {node.address for node in found}
    for count in (0, 6):
        with pytest.raises(LabError):
            names.nodes("10.1.2.0/24", count)


def test_two_nodes_get_two_node_quorum():
    """Corosync's special case is set for two nodes only."""
    assert "two_node: 1" in stack.corosync_conf("x", names.nodes("10.1.2.0/24", 2))
    assert "two_node" not in stack.corosync_conf("x", names.nodes("10.1.2.0/24", 3))


def test_first_cib_fences():
    """Fencing is on with a device for every node, unless asked otherwise."""
    members = names.nodes("10.1.2.0/24", 3)

    assert 'name="stonith-enabled" value="true"' in stack.cib("x", members)
    assert 'value="n1 n2 n3"' in stack.cib("x", members)
    assert 'name="stonith-enabled" value="false"' in stack.cib("x", members, fencing=False)


def test_secrets_of_a_node_are_not_for_everybody():
    """Keys and tokens are made afresh, and only root or the cluster's user reads them."""
    members = names.nodes("10.1.2.0/24", 3)
    one, two = (stack.files_for_all("x", "10.1.2.0/24", members) for _ in range(2))

    for path in ("etc/corosync/authkey", "etc/pacemaker/authkey", "var/lib/pcsd/known-hosts"):
        assert one[path][0] != two[path][0]
        assert not one[path][1] & 0o007


def test_record_is_replaced_whole_and_torn_ones_still_count(tmp_path, monkeypatch):
    """No lab is None; a directory with a torn record is a lab that has to be removed."""
    monkeypatch.setenv("QUORATE_LAB_STATE", str(tmp_path))
    assert state.read("a") is None and [] == state.names()
    os.mkdir(tmp_path / "a")
    assert {} == state.read("a") and ["a"] == state.names()
    state.write("a", {"subnet": "10.1.2.0/24"})
    assert {"subnet": "10.1.2.0/24"} == state.read("a")
    assert ["state.json"] == os.listdir(tmp_path / "a")
    (tmp_path / "a" / "state.json").write_text(json.dumps({"x": 1})[:-2])
    assert {} == state.read("a")


def test_a_recorded_process_is_that_very_one():
    """The same pid with another start, or from another boot, is another process."""
    me = state.identify(os.getpid())

    assert state.alive(me)
    assert not state.alive(dict(me, start=me["start"] + 1))
    assert not state.alive(dict(me, boot="another"))
    assert not state.alive(None)


HYBRID = """tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""


def test_control_groups_of_both_kinds():
    """v2 alone is one directory; a hybrid machine has one in each hierarchy that matters."""
    assert ["/sys/fs/cgroup/g"] == cgroups.paths("g", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")
    top = "/sys/fs/cgroup/"
    assert [top + "cpu,cpuacct/g", top + "systemd/g", top + "unified/g"] == cgroups.paths("g", HYBRID)
    assert [] == cgroups.paths("g", "proc /proc proc rw 0 0\n")
