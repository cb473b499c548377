# SPDX-License-Identifier: Apache-2.0
"""stop on a node: what is left after it, and when it may say that it stopped."""

import pytest

from quorate.ocf import codes
from quorate.openstack.facts import FAILED_FILE, HEARTBEATS_FILE, SERVICE_FILE, SYMPTOMS_FILE
from tests.unit.openstack.node.machine import listening

RUNTIME = (SERVICE_FILE, SYMPTOMS_FILE, HEARTBEATS_FILE, FAILED_FILE, "output")


def test_nothing_is_left_after_a_stop(node, tmp_path):
    """The next start, perhaps of another release, finds no times of a service that is gone."""
    pid = tmp_path / "pid"
    node.comes()
    assert codes.SUCCESS == node.start(pid=str(pid)).code and pid.exists()
    for name in RUNTIME[1:]:
        node.files.write(name, {"some": "thing"})
    assert codes.SUCCESS == node.stop(pid=str(pid)).code

    assert [] == node.processes.all() and [] == node.kept() and not pid.exists()


def test_what_is_known_stays_when_it_does_not_stop(node):
    node.process(dies_of=(), state="D")
    node.files.write(SERVICE_FILE, {"unit": node.unit})

    assert codes.ERR_GENERIC == node.stop(seconds=20).code
    assert [SERVICE_FILE] == node.kept() and node.took <= 19, "the answer has to come before Pacemaker's time-out"


def test_a_stop_of_what_never_ran_is_done_at_once(node, tmp_path):
    assert codes.SUCCESS == node.stop(pid=str(tmp_path / "none")).code
    assert node.took < 1


def test_a_short_time_is_enough_for_one_that_has_to_be_killed(node):
    """2 s: less than the reserve."""
    node.process(dies_of=(9,))
    assert codes.SUCCESS == node.stop(seconds=2).code and [] == node.processes.all()


def serving(node, port=6080):
    """The proxy runs and listens."""
    parent, child = node.tree()
    node.sockets[parent.pid] = node.sockets[child.pid] = (listening(port, 900),)
    return parent


def test_a_port_that_another_process_inherited_is_not_free(proxy):
    """A child that runs another program (a shell, ssh) keeps the listening socket: the next start could not bind it."""
    serving(proxy)
    proxy.lingering = {900}
    outcome = proxy.stop()

    assert codes.ERR_GENERIC == outcome.code and "holds port 6080; see 'ss -ltnp'" in outcome.reason
    assert proxy.took <= 2.5


def test_a_port_may_take_a_moment_to_be_free(proxy):
    serving(proxy)
    proxy.lingering = {900}
    proxy.later(1.0, proxy.lingering.clear)

    assert codes.SUCCESS == proxy.stop().code and 1.0 <= proxy.took <= 1.15


def test_a_port_that_is_free_is_no_wait(proxy):
    serving(proxy)
    assert codes.SUCCESS == proxy.stop().code and proxy.took < 1


def test_the_port_of_somebody_else_does_not_matter(proxy):
    """It was not the proxy's when the stop began."""
    proxy.tree()
    proxy.lingering = {900}
    assert codes.SUCCESS == proxy.stop().code and proxy.took < 1


def test_a_service_without_a_port_of_its_own_leaves_none(node):
    """A socket of its debugger (backdoor_port) that a helper inherited: no client waits for it."""
    serving(node)
    node.lingering = {900}
    assert codes.SUCCESS == node.stop().code


def test_a_full_run_is_no_reason_not_to_stop(node):
    node.tree()
    with open(node.run, "w", encoding="ascii"):
        pass
    assert codes.SUCCESS == node.stop().code and [] == node.processes.all()


@pytest.mark.parametrize("seconds", [33, 120])
def test_it_has_two_thirds_of_the_time_to_end_by_itself(node, seconds):
    """Less three seconds, in which the answer is given."""
    parent = node.process(dies_of=(9,))
    node.die(parent, after=(seconds - 3) * 2 / 3 - 0.5)

    assert codes.SUCCESS == node.stop(seconds=seconds).code
    assert [15] == [number for _pid, number in node.processes.signals if number in (9, 15)]
