# SPDX-License-Identifier: Apache-2.0
"""A cluster that cannot be asked, or credentials that cannot be read, say nothing of the service: a monitor that failed
over them would restart databases and brokers that are well, on every node at once."""

import os
import socket

import pytest

from quorate.galera.actions.monitor import TOLERATED_UNKNOWN, outcome_of
from quorate.galera.declaration import PARAMETERS
from quorate.galera.facts import DONOR, DOWN, HUNG, JOINED, NONPRIMARY, RECEIVING, STARTING, SYNCED, UNKNOWN
from quorate.host.state_files import StateFiles
from quorate.galera.server import observe
from quorate.ocf import codes
from quorate.pacemaker.tools import EX_DISCONNECT
from quorate.rabbitmq import facts
from quorate.rabbitmq.actions import monitor
from quorate.rabbitmq.broker.layout import Layout
from quorate.rabbitmq.broker.observe import Observation
from quorate.rabbitmq.declaration import PARAMETERS as MQ_PARAMETERS
from tests import fakes

TOOLS = ("attrd_updater", "crm_attribute", "crm_node", "cibadmin", "crm_mon")


def away(commands):
    """Pacemaker's attribute daemon is being started anew."""
    for tool in TOOLS:
        commands.allow(tool, ..., rc=EX_DISCONNECT)


def database(tmp_path, **more):
    os.makedirs(tmp_path / "data", exist_ok=True)
    context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1,n2", datadir=tmp_path / "data",
                            environ={"OCF_RESKEY_CRM_meta_interval": "5000"}, **more)
    away(context.commands)
    return context, StateFiles("galera", "db", str(tmp_path / "run"), str(tmp_path / "persistent"))


@pytest.mark.parametrize("state", [SYNCED, DONOR, JOINED, NONPRIMARY, STARTING, RECEIVING])
def test_a_database_whose_state_cannot_be_published_goes_on(tmp_path, state):
    context, state_files = database(tmp_path)
    process = context.processes.add("mariadbd", pid=os.getpid())

    outcome = outcome_of(context, state_files, observe.Observation(state, process, None, "It is so."))

    assert (codes.RUNNING_PROMOTED, None) == outcome
    assert ["Pacemaker does not run on this node"] == [text[:35] for _, text in context.log.lines]


def test_an_instance_that_may_not_start_yet_goes_on_waiting(tmp_path):
    context, state_files = database(tmp_path)
    state_files.write("started", {"at": 1})

    assert codes.SUCCESS == outcome_of(context, state_files, observe.Observation(DOWN, None, None, "None runs.")).code


def test_another_mistake_is_still_one(tmp_path):
    context, state_files = database(tmp_path)

    with pytest.raises(KeyError):
        outcome_of(context, state_files, observe.Observation("a state that nobody knows", 1, None, ""))


@pytest.mark.parametrize("text, mode, reason", [
    ("[client]\nuser=check\npassword=x\n", 0o644, "chmod 600"), ("nothing", 0o600, "line 1"),
    (None, 0, "cannot be read")], ids=["for everybody", "garbled", "gone"])
def test_credentials_that_cannot_be_used_are_no_reason_to_stop_a_database(tmp_path, text, mode, reason):
    path = tmp_path / "credentials"
    if text:
        path.write_text(text)
        path.chmod(mode)
    context, state_files = database(tmp_path, credentials=path)
    process = context.processes.add("mariadbd", pid=os.getpid())

    seen = observe.observe_process(context, state_files, process)

    assert UNKNOWN == seen.state and reason in seen.sentence
    found = [outcome_of(context, state_files, seen) for _ in range(TOLERATED_UNKNOWN)]
    assert (codes.RUNNING_PROMOTED, codes.DEGRADED_PROMOTED) == (found[0].code, found[-1].code)
    assert reason in found[-1].reason


def test_a_server_is_asked_twice_within_what_is_left_of_the_time(tmp_path):
    """The second question once got the whole of check_timeout, and a short monitor its SIGKILL."""
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen(8)
        context, state_files = database(tmp_path, socket=path, check_user="check")
        context.deadline = Short()

        assert HUNG == observe.observe_process(context, state_files, context.processes.add("mariadbd")).state
        assert [3.0, 3.0] == context.deadline.given


class Short:
    """Hardly any time is left."""

    expired = False

    def __init__(self):
        self.given = []

    def limit(self, seconds):
        self.given.append(seconds)
        return 0.05


def broker(tmp_path):
    context = fakes.context(parameters=MQ_PARAMETERS, environ={"OCF_RESKEY_CRM_meta_interval": "10000"}, seconds=36)
    away(context.commands)
    layout = Layout("/bin/true", "rabbit@n1", str(tmp_path), str(tmp_path / "rabbit@n1"), str(tmp_path / "log"),
                    "rabbitmq",
                    "rabbitmq", str(tmp_path / "cookie"), "/nonexistent", 1, False, "3.10.8", str(tmp_path))
    return context, StateFiles("rabbitmq", "mq", str(tmp_path / "run"), str(tmp_path / "persistent")), layout


@pytest.mark.parametrize("state, code", [
    (facts.RUNNING, codes.SUCCESS), (facts.STARTING, codes.SUCCESS), (facts.WAITING, codes.SUCCESS),
    (facts.PAUSED, codes.DEGRADED),
    (facts.PARTITIONED, codes.DEGRADED), (facts.DRAINING, codes.DEGRADED)])
def test_a_broker_whose_state_cannot_be_published_goes_on(tmp_path, state, code):
    context, state_files, layout = broker(tmp_path)
    process = context.processes.add("/usr/bin/beam.smp -s rabbit boot")

    seen = Observation(state, process, facts.Broker(answered=True), "It is so.")

    assert code == monitor.outcome_of(context, state_files, layout, seen).code
    assert any("The next monitor tries again" in text for _, text in context.log.lines)


def test_a_broker_that_may_not_start_yet_goes_on_waiting(tmp_path):
    from quorate.rabbitmq.actions.participant import Participant
    context, state_files, layout = broker(tmp_path)

    assert codes.SUCCESS == monitor._waiting(context, Participant(context, state_files, layout=layout)).code
