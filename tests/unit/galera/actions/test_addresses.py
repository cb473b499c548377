# SPDX-License-Identifier: Apache-2.0
"""Where the other nodes are asked, and what a parameter that is not understood does to a server that runs."""

import pytest

from quorate.galera.actions import start
from quorate.galera.actions.participant import Participant, addresses, unpublished
from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.settings.layout import Layout
from quorate.galera.server.settings.options import Options, Provider
from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from tests import fakes


def context(**values):
    values.setdefault("wsrep_cluster_address", "gcomm://n1,n2:6567")
    return fakes.context(parameters=PARAMETERS, **values)


def layout(tmp_path, **values):
    path = str(tmp_path)
    return Layout("/bin/true", None, path, path + "/s", path + "/p", path + "/l", "root", "root", "1", "TRUE", "galera",
                  "rsync")._replace(**values)


def test_others_are_asked_at_the_port_that_galera_itself_would_use(tmp_path):
    """The port in wsrep_cluster_address goes before base_port (gcomm gmcast.cpp, set_initial_addr)."""
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    assert {"n1": ("n1", 4567), "n2": ("n2", 6567)} == Participant(context(), state_files).addresses

    start._record_layout(state_files, layout(tmp_path, galera=Provider(base_port=5567)))

    assert {"n1": ("n1", 5567), "n2": ("n2", 6567)} == Participant(context(), state_files).addresses


def test_a_promotion_looks_the_port_up_again(tmp_path, mocker):
    """The configuration may have changed since the start, and a state file of an earlier version has no port."""
    mocker.patch.object(start, "_usable_layout", lambda _: layout(tmp_path, galera=Provider(base_port=5567)))
    mocker.patch.object(start, "find", return_value="a process")
    mocker.patch.object(start, "wait_until_serving")
    state_files = StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))
    mocker.patch.object(start, "StateFiles", lambda *_, **__: state_files)

    start.promote(context())

    assert ("n1", 5567) == Participant(context(), state_files).addresses["n1"]


@pytest.mark.parametrize("values", [
    {"cluster_host_map": "n1=db1"}, {"wsrep_cluster_address": "n1"}, {"arbitrators": "a;b"}])
def test_a_parameter_that_is_not_understood(values):
    """An error of this node: with ERR_CONFIGURED of one start Pacemaker stops the servers that run on the others: after
    an update, say, because of an entry of cluster_host_map that the version before had passed over."""
    with pytest.raises(Failed) as failed:
        addresses(context(**values).parameters)

    assert codes.ERR_ARGS == failed.value.code
    assert codes.DEGRADED_PROMOTED == unpublished(context(), "a process", failed.value).code  # it stops no server that runs
    with pytest.raises(Failed):
        unpublished(context(), None, failed.value)


def test_the_server_is_told_what_was_understood(tmp_path, mocker):
    """Of 'gcomm://n1, n2' Galera contacts n1 only. additional_parameters come before what the agent decides."""
    from quorate.galera import facts
    from quorate.galera.server import process
    from tests.unit.galera.actions.participants import participant
    one = participant(tmp_path, [])
    one.context.parameters = context(wsrep_cluster_address="gcomm://n1, n2 ?pc.wait_prim=no").parameters
    mocker.patch("quorate.galera.actions.start._set_aside", lambda *_: False)
    mocker.patch("quorate.galera.actions.participant.Participant.reachable_primary", lambda *_: frozenset())
    mocker.patch.object(one.published, "offer_self", create=True)
    launched = mocker.patch.object(process.daemon, "launch", return_value=None)
    told = Options((), ("--log-error=/other", "--init-connect=SET x"))
    decision = facts.Decision(facts.JOIN, ("n2",))
    with pytest.raises(Failed):
        start.launch_as_decided(one, decision, one.published.snapshot(()), one.own_report(),
                                layout(tmp_path, options=told))

    argv = launched.call_args.args[2]
    assert ["/bin/true", "--log-error=/other", "--init-connect=SET x"] == argv[:3]
    assert "--wsrep_cluster_address=gcomm://n1,n2?pc.wait_prim=no" in argv[3:] and "--log-error=%s/l" % tmp_path in argv[3:]
