# SPDX-License-Identifier: Apache-2.0
"""The lab itself, for real: power and fencing, network, processes, two at the same time, and nothing left behind."""

import os
import signal
import subprocess
import sys

import pytest

from lab import LabError, state
from lab.faults.machine import (
    clock, fast_net, fill_disk, free_disk, heal, kill, partition, slow_net, stop, undo_all)
from lab.images import base
from lab.machines import cgroups, cluster, machine, names, network, power, requirements
from tests import ROOT

SUITE = os.environ.get("QUORATE_LAB_SUITE", "bookworm")
LIMIT = 90  # seconds for what takes a cluster ten to thirty
OWNER = """
import sys, time
from lab.machines.cluster import Lab
with Lab(sys.argv[1]) as lab:
    lab.up(suite=sys.argv[2], count=1)
    print("up", flush=True)
    time.sleep(3600)
"""


def own_name(word):
    """A lab's name that no other run of the tests uses."""
    return "t%s-%d" % (word, os.getpid() % 10000000)


@pytest.fixture(scope="module", autouse=True)
def able(progress):
    """Skip with the lab's own sentence where it cannot run."""
    try:
        requirements.check_able()
    except LabError as reason:
        pytest.skip(str(reason))
    base.build(SUITE, progress)


@pytest.fixture(scope="module")
def lab():
    """Three nodes with disks of their own."""
    with cluster.Lab(own_name("a")) as made:
        yield made.up(suite=SUITE, disk=True)


@pytest.fixture
def whole(lab):
    """The lab with all nodes online, before and after."""
    lab.wait_online(timeout=LIMIT)
    yield lab
    lab.fence_hold(False)
    undo_all(lab)
    lab.power_on()
    lab.wait_online(timeout=LIMIT)


def log(lab):
    """The lines of the power daemon."""
    with open(os.path.join(state.directory(lab.name), "power.log")) as file:
        return file.read()


def test_a_command_in_a_node(whole):
    """It has a clean environment, its input, its exit code, and an end when its time is over."""
    assert (3, "n2 got it\n", "") == whole.run("n2", "echo $(hostname) $(cat); exit 3", stdin="got it")
    assert machine.ENVIRONMENT["HOME"] + "\n" == whole.check("n1", ["printenv", "HOME"])
    assert whole.run("n1", ["printenv", "PYTEST_CURRENT_TEST"]).rc == 1
    assert whole.run("n1", "sleep 1000 & sleep 1000", timeout=0.5).rc is None
    with pytest.raises(LabError, match="no such thing"):
        whole.check("n1", "echo no such thing >&2; false")


def test_power_cut_comes_back_through_fencing(whole):
    """Only the cluster's fencing switches it on again."""
    before, lines = machine.pid_of(whole.name, "n2"), log(whole)
    whole.power_cut("n2")

    assert not whole.is_on("n2")
    whole.wait(lambda: "n2: reboot by the cluster" in log(whole)[len(lines):], LIMIT, "n2 was not fenced")
    whole.wait_online(timeout=LIMIT)
    assert before != machine.pid_of(whole.name, "n2")


def test_kept_off_stays_off_until_switched_on(whole):
    """Fencing succeeds, and the node stays where it is."""
    lines = log(whole)
    whole.power_cut("n3", stay_off=True)
    whole.wait(lambda: "n3: reboot by the cluster" in log(whole)[len(lines):], LIMIT, "n3 was not fenced")
    whole.wait(lambda: whole.online() == ["n1", "n2"], LIMIT, "n3 still counts as online")

    assert not whole.is_on("n3")
    with pytest.raises(LabError, match="is off"):
        whole.run("n3", ["true"])


def test_a_partition_stays_over_fencing_until_it_is_healed(whole):
    """A node that was cut off and fenced comes back to a cable that is still cut."""
    before = machine.pid_of(whole.name, "n2")
    partition(whole, "n2")
    assert whole.run("n1", ["ping", "-c1", "-W1", "n2"]).rc == 1
    whole.wait(lambda: machine.pid_of(whole.name, "n2") not in (None, before), LIMIT, "n2 was not fenced")

    assert whole.run("n1", ["ping", "-c1", "-W1", "n2"]).rc == 1
    heal(whole)
    whole.wait_online(timeout=LIMIT)


def test_stop_and_kill_find_processes_by_name(whole):
    """By name first; what only mentions the name is left alone."""
    whole.check("n1", "setsid -f sleep 1234 >/dev/null 2>&1; setsid -f tail -f /dev/null --pid=1 sleep >/dev/null 2>&1")
    # Both have become what they run: until then they are called setsid.
    whole.wait(lambda: all(whole.run("n1", ["pgrep", "-x", name]).rc == 0 for name in ("sleep", "tail")), 10,
               "sleep and tail do not start")
    assert [["sleep", "1234"]] == stop(whole, "n1", "sleep")
    whole.wait(lambda: "T" in whole.check("n1", ["ps", "-C", "sleep", "-o", "s="]), 10, "sleep was not stopped")
    assert [["sleep", "1234"]] == kill(whole, "n1", "sleep")
    whole.wait(lambda: whole.run("n1", ["pgrep", "-x", "sleep"]).rc == 1, 10, "sleep was not killed")
    assert "tail" == kill(whole, "n1", "/dev/null")[0][0]
    with pytest.raises(LabError, match="no process"):
        kill(whole, "n1", "no-such-program")


def test_a_slow_network_delays_and_passes_everything(whole):
    """Both directions take longer; large segments arrive as they were sent."""
    slow_net(whole, "n1", 0.05)
    out = whole.check("n2", ["ping", "-c3", "-W5", "n1"])  # the first may be lost while the relay starts
    digest = whole.check("n2", "head -c 3000000 /dev/urandom >/tmp/data; sha256sum </tmp/data")
    receiver = whole.popen("n1", ["/bin/sh", "-c", "socat -u TCP-LISTEN:999 STDOUT | sha256sum"],
                           stdout=subprocess.PIPE, text=True)
    whole.check("n2", ["socat", "-u", "FILE:/tmp/data", "TCP:n1:999,retry=20,interval=0.2"], timeout=60)

    assert float(out.split("time=")[1].split()[0]) >= 100
    assert digest == receiver.communicate(timeout=60)[0]
    fast_net(whole, "n1")
    assert whole.run("n2", ["ping", "-c3", "-W5", "n1"]).rc == 0


def test_full_disk_is_full_and_free_again(whole):
    """Nothing more can be written, then it can."""
    fill_disk(whole, "n1")
    full = whole.run("n1", "head -c 100000 /dev/zero >/var/lib/mysql/x")
    free_disk(whole, "n1")

    assert full.rc != 0 and "No space" in full.err
    whole.check("n1", "head -c 100000 /dev/zero >/var/lib/mysql/x && rm /var/lib/mysql/x")


def test_clock_of_one_node(whole):
    """Processes that start from now on have it; other nodes do not."""
    clock(whole, "n1", 86400)
    ahead, plain = (int(whole.check(node, ["date", "+%s"])) for node in ("n1", "n2"))
    clock(whole, "n1", 0)

    assert ahead - plain > 80000
    assert abs(int(whole.check("n1", ["date", "+%s"])) - int(whole.check("n2", ["date", "+%s"]))) < 3600


def test_two_side_by_side(whole):
    """Neither reaches the other, and removing one leaves the other as it was."""
    before = machine.pid_of(whole.name, "n1")
    with cluster.Lab(own_name("b")) as other:
        other.up(suite=SUITE, count=1)
        assert ["n1"] == other.online()
        assert other.address("n1") != whole.address("n1")
        assert other.run("n1", ["ping", "-c1", "-W1", whole.address("n1")]).rc != 0
        assert whole.run("n1", ["ping", "-c1", "-W1", other.address("n1")]).rc != 0
    assert state.read(other.name) is None
    assert before == machine.pid_of(whole.name, "n1")
    assert ["n1", "n2", "n3"] == whole.online()


def test_a_lab_that_exists_is_not_taken_over(whole):
    """`with` removes only what it made."""
    with pytest.raises(LabError, match="exists already"):
        with cluster.Lab(whole.name) as again:
            again.up(suite=SUITE)
    assert whole.is_on("n1")


def leftovers(name):
    """What of lab `name` is still on this machine, as texts."""
    found = [path for path in cgroups.paths(names.cgroup(name)) if os.path.exists(path)]
    if network.exists(names.network_namespace(name)):
        found.append("namespace")
    if os.path.exists(state.directory(name)):
        found.append("directory")
    with open("/proc/mounts") as mounts:
        found += [line for line in mounts if "quorate-lab/%s/" % name in line]
    return found


def test_the_owner_is_killed(able, tmp_path):
    """After SIGKILL of the process that made the lab everything of it is removed."""
    name = own_name("c")
    owner = subprocess.Popen([sys.executable, "-c", OWNER, name, SUITE], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert "up\n" == owner.stdout.readline()
        assert leftovers(name)
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    cluster.Lab(name).wait(lambda: not leftovers(name), 30, "left behind: %s" % leftovers(name))


def test_the_power_daemon_is_killed(able):
    """Its nodes die with it, and what it left is on record and goes with destroy."""
    name = own_name("d")
    made = cluster.Lab(name)
    try:
        made.up(suite=SUITE, count=1)
        os.kill(int(power.ask(name, "pid")), signal.SIGKILL)
        made.wait(lambda: machine.pid_of(name, "n1") is None, 10, "the node outlived its power daemon")
    finally:
        made.destroy()
    assert [] == leftovers(name)


def test_down_and_up_keep_the_disks(able):
    """A shutdown in good order; what was written is there after the next start."""
    name = own_name("e")
    with cluster.Lab(name) as made:
        made.up(suite=SUITE, count=1)
        made.check("n1", "echo kept >/var/lib/kept")
        made.down()
        assert machine.pid_of(name, "n1") is None
        made.up()
        assert "kept\n" == made.check("n1", ["cat", "/var/lib/kept"])
