# SPDX-License-Identifier: Apache-2.0
"""How long promote stays with the server that it launched: Pacemaker starts none of the others meanwhile."""

import pytest

from quorate.galera import facts
from quorate.galera.actions import start, startup
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server import observe
from quorate.host.units import Units
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
