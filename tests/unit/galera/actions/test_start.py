# SPDX-License-Identifier: Apache-2.0
"""How long promote stays with the server that it launched: Pacemaker starts none of the others meanwhile."""

import pytest

from quorate.galera import facts
from quorate.galera.actions import serving, start, startup
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server import observe
from quorate.host import daemon
from quorate.host.clock import Deadline
from quorate.host.system.units import Units
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from tests import fakes
from tests.unit.galera.actions.participants import participant
from tests.unit.galera.election.reports import alive


@pytest.mark.parametrize("afterwards, most", [(facts.NONPRIMARY, 12), (facts.STARTING, 12), (facts.RECEIVING, 31)])
def test_nobody_waits_for_a_primary_component_that_died(tmp_path, mocker, afterwards, most):
    """n1 and n3 are reachable for 6 s, then killed. Found by scripts/faults: killed while n2 joined them, they were
    started again only when n2's promote had waited for all of its 30 s."""
    one = participant(tmp_path, [alive("n1", facts.SYNCED), alive("n3", facts.SYNCED)])
    clock = one.context.clock
    process = one.context.processes.add("/usr/sbin/mariadbd")
    mocker.patch.object(observe, "observe_process", lambda *_: observe.Observation(
        facts.RECEIVING if clock.elapsed < 6 else afterwards, process, None, "It joins."))
    mocker.patch.object(observe, "listening", lambda *_: frozenset(("n1", "n3") if clock.elapsed < 6 else ()))
    mocker.patch.object(startup, "progress_text", lambda *_: "joins")
    one.addresses = {"n1": ("n1", 4567), "n3": ("n3", 4567)}

    assert start.wait_until_serving(one, process, None).code == codes.SUCCESS
    assert 6 <= clock.elapsed <= most


def test_start_names_the_socket_units_in_whose_place_no_server_can_listen(mocker):
    """On a Debian 12 with mariadb.socket the first bootstrap failed with "Address already in use", and the cluster asked
    for --force then. Debian enables two of them."""
    context = fakes.context("start", parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1")
    context.commands.allow("systemctl", "is-active", ..., rc=0, out="active\nactive\ninactive\ninactive\n")
    mocker.patch.object(Units, "managed", lambda _: True)
    mocker.patch.object(start, "_usable_layout")

    with pytest.raises(Failed) as failed:
        start.start(context)

    assert codes.ERR_INSTALLED == failed.value.code
    assert failed.value.reason.endswith("systemctl disable --now mariadb.socket mariadb-extra.socket")


@pytest.mark.parametrize("seconds, decisions", [(0.5, 1), (30, 2)])
def test_what_was_decided_before_a_long_preparation_is_decided_again(tmp_path, mocker, seconds, decisions):
    """Until this node publishes that it starts, the others believe that it is down, and may decide otherwise meanwhile:
    the position behind an undone bootstrap is read by InnoDB's recovery, and a database takes time to be made."""
    one = participant(tmp_path, [])
    one.confirm = mocker.Mock(side_effect=[(facts.Decision(facts.BOOTSTRAP, ("n2",)), "first"), None])
    create = mocker.patch.object(start.disk, "create_database",
                                 side_effect=lambda *_: one.context.clock.sleep(seconds))

    found = start.confirm(one, mocker.Mock(datadir=str(tmp_path / "data")))

    assert decisions == one.confirm.call_count and create.called
    assert (found is None) == (decisions == 2)


# The wait for the server

STATES = {facts.STARTING: "It starts.", facts.RECEIVING: "It receives.", facts.JOINED: "It has joined.",
          facts.SYNCED: "It is synced.", facts.NONPRIMARY: "It is alone."}


class Waiting:
    """n2 waits for the server that it has just launched. turns: (second, state) of the server, from then on."""

    def __init__(self, tmp_path, mocker, turns, action=facts.JOIN, reachable=lambda _: False, seconds=600):
        self.one = participant(tmp_path, [])
        context = self.one.context
        context.deadline = Deadline(context.clock, seconds)
        self.process = context.processes.add("/usr/sbin/mariadbd")
        self.one.state_files.write("launched-from", {"action": action})
        self.one.state_files.write(daemon.PROCESS_FILE, {"pid": self.process.pid})
        self.asked, self.published, self.said, self.kept = [], [], [], []
        self.one.reachable_primary = lambda: self.asked.append(round(context.clock.elapsed)) or reachable(
            context.clock.elapsed)
        self.one.publish_state = self.published.append
        self.one.published.set_status = self.said.append
        mocker.patch.object(startup, "progress_text", lambda one, observed: one is self.one and observed.sentence)
        mocker.patch.object(serving, "keep_record", lambda *given: self.kept.append(given))

        def observe_process(*given):
            assert (context, self.one.state_files, self.process) == given
            state = [state for second, state in turns if second <= context.clock.elapsed][-1]
            return observe.Observation(state, self.process, None, STATES[state])
        mocker.patch.object(observe, "observe_process", observe_process)

    def ends(self):
        """(exit code, seconds)"""
        outcome = start.wait_until_serving(self.one, self.process, "the layout")
        self.reason = outcome.reason
        return outcome.code, round(self.one.context.clock.elapsed, 1)


@pytest.mark.parametrize("action, turns, reachable, seconds", [
    (facts.JOIN, [(0, facts.STARTING)], False, 2.2),
    (facts.RECOVER, [(0, facts.STARTING)], False, 2.2),
    (facts.BOOTSTRAP, [(0, facts.STARTING)], False, 30.2),
    (facts.JOIN, [(0, facts.STARTING)], True, 30.2),
    (facts.JOIN, [(0, facts.NONPRIMARY)], False, 2.2),
    (facts.JOIN, [(0, facts.RECEIVING)], False, 30.2),
    (facts.JOIN, [(0, facts.STARTING), (1, facts.RECEIVING), (5, facts.JOINED)], False, 30.2),
    (facts.JOIN, [(0, facts.STARTING), (20, facts.RECEIVING)], True, 30.2)])
def test_how_long_promote_waits(tmp_path, mocker, action, turns, reachable, seconds):
    waiting = Waiting(tmp_path, mocker, turns, action, lambda _: reachable)

    assert (codes.SUCCESS, seconds) == waiting.ends()
    assert [STATES[turns[-1][1]]] == waiting.said and [] == waiting.kept
    assert ([0] if action != facts.BOOTSTRAP else []) == waiting.asked[:1 if reachable else None]
    assert [state for _, state in turns if state in (facts.RECEIVING, facts.JOINED)] == waiting.published
    assert ["%s State: %s." % (STATES[state], state) for _, state in turns] == waiting.one.context.log.said


def test_promote_ends_with_its_time(tmp_path, mocker):
    assert (codes.SUCCESS, 10.0) == Waiting(tmp_path, mocker, [(0, facts.RECEIVING)], seconds=10).ends()


@pytest.mark.parametrize("action", [facts.JOIN, facts.BOOTSTRAP])
def test_promote_ends_with_a_server_that_serves(tmp_path, mocker, action):
    waiting = Waiting(tmp_path, mocker, [(0, facts.STARTING), (1, facts.SYNCED)], action)

    assert (codes.SUCCESS, 1.0) == waiting.ends()
    context, files, observed, one = waiting.kept[0]
    assert (waiting.one.context, waiting.one.state_files, waiting.one, facts.SYNCED) == (
        context, files, one, observed.state)
    assert [facts.SYNCED] == waiting.published and [] == waiting.said


@pytest.mark.parametrize("turns, asked", [
    ([(0, facts.STARTING)], [0, 2, 4, 7, 9, 11]), ([(0, facts.NONPRIMARY)], [0, 2, 4, 7, 9, 11]),
    ([(0, facts.STARTING), (5, facts.RECEIVING)], [0, 2, 4])])
def test_a_joiner_asks_again_and_again_whether_the_members_that_it_joins_are_there(tmp_path, mocker, turns, asked):
    waiting = Waiting(tmp_path, mocker, turns, facts.JOIN, lambda elapsed: elapsed < 10)

    assert (codes.SUCCESS, 11.0 if turns[-1][1] != facts.RECEIVING else 30.2) == waiting.ends()
    assert asked == waiting.asked


def test_a_bootstrap_asks_nobody(tmp_path, mocker):
    waiting = Waiting(tmp_path, mocker, [(0, facts.STARTING)], facts.BOOTSTRAP)
    waiting.ends()
    assert [] == waiting.asked


def test_a_server_that_ends_while_it_starts_is_a_failure_with_its_cause(tmp_path, mocker):
    cause = mocker.patch("quorate.galera.server.log.ending.not_started", return_value="The port is taken.")
    waiting = Waiting(tmp_path, mocker, [(0, facts.STARTING)], facts.BOOTSTRAP)
    waiting.one.context.clock.at(3, lambda: waiting.one.context.processes.remove(waiting.process.pid))

    assert (codes.ERR_GENERIC, 3.0) == waiting.ends()
    assert "The database server ended while it started: The port is taken." == waiting.reason
    assert (waiting.one.context, waiting.one.state_files, "the layout") == cause.call_args.args
    assert waiting.one.state_files.has("failed") and not waiting.one.state_files.has(daemon.PROCESS_FILE)
