# SPDX-License-Identifier: Apache-2.0
"""rabbitmq-check: from a fact to the answer of each role, and what the operator may choose."""

import json

import pytest

from quorate.errors import Usage
from quorate.host.process import Process
from quorate.rabbitmq.broker import health
from quorate.rabbitmq.check import ROLES, RabbitmqCheck
from quorate.rabbitmq.facts import Broker
from quorate.web.check import NOTHING_YET, Fact, as_json, role_answer

BEAM = Process(71, 1, 500, "S", ("beam.smp",))
THREE = frozenset(("rabbit@n1", "rabbit@n2", "rabbit@n3"))
WELL = Broker(BEAM, True, True, THREE, THREE, frozenset(), (), epmd=True)
ALARM = WELL._replace(alarms=("memory",))
ALONE = WELL._replace(running_nodes=frozenset(("rabbit@n1",)))
HUNG = Broker(BEAM, True, False, error="It said nothing.")


def codes(broker, draining=None, **options):
    check = RabbitmqCheck(options)
    fact = Fact(broker, check.policy(health.classify(broker), broker), draining)
    return tuple(role_answer(check, fact, path)[0] for path in ("/", "/publisher", "/ready", "/live"))


@pytest.mark.parametrize("broker, options, wanted", [
    (WELL, {}, (200, 200, 200, 200)),
    (ALARM, {}, (200, 503, 200, 200)),
    (ALARM, {"alarms": "no"}, (503, 503, 503, 200)),
    (ALONE, {}, (503, 503, 503, 200)),
    (ALONE, {"minority": "yes"}, (200, 200, 200, 200)),
    (WELL._replace(refused=True), {}, (200, 200, 200, 200)),
    (HUNG, {}, (503, 503, 503, 503)),
    (Broker(listening=False), {}, (503, 503, 503, 503)),
])
def test_code_of_each_role(broker, options, wanted):
    assert set(ROLES) == {"/", "/publisher", "/ready", "/live"}
    assert wanted == codes(broker, **options)


def test_a_drained_node_that_is_well_answers_404_and_one_that_is_not_503():
    assert (404, 404, 404, 200) == codes(WELL, "planned stop")
    assert (503, 503, 503, 503) == codes(HUNG, "planned stop")


@pytest.mark.parametrize("options", [{"port": "no"}, {"port": "0"}, {"epmd_port": "70000"}, {"alarms": "perhaps"}])
def test_options_that_make_no_sense(options):
    with pytest.raises(Usage):
        RabbitmqCheck(options)


def test_json_has_no_password_and_metrics_are_numbers():
    check = RabbitmqCheck({})
    fact = Fact(ALARM, health.classify(ALARM))
    shown = json.loads(as_json(check, fact))

    assert ("alarm", ["memory"], 71, sorted(THREE)) == (
        shown["code"], shown["broker"]["alarms"], shown["broker"]["process"], shown["broker"]["all_nodes"])
    assert ("alarm", {"resource": "memory"}, 1) in check.metrics(fact)
    assert ("members_running", 3) in check.metrics(fact)
    assert [] == check.metrics(NOTHING_YET)


def test_amqp_has_most_of_the_time(monkeypatch):
    """It had half of it, which a broker that 500 clients connect to at once needs."""
    given = []
    monkeypatch.setattr("quorate.rabbitmq.check.observe_broker",
                        lambda *how: given.append(how) or Broker(answered=True))
    RabbitmqCheck({"host": "127.0.0.1", "node": "hare@n9"}).observe(1.0, NOTHING_YET)
    assert [one[3] for one in given] == [0.8]


def test_weight_of_a_node_with_an_alarm():
    check = RabbitmqCheck({})
    assert 100 == check.weight(Fact(WELL, health.classify(WELL)))
    assert 50 == check.weight(Fact(ALARM, health.classify(ALARM)))


def test_options_change_the_endpoint(tmp_path):
    path = tmp_path / "rabbitmq.cnf"
    path.write_text("[client]\nuser=u\npassword=p\nport=5555\n")
    path.chmod(0o600)
    found = RabbitmqCheck({"credentials": str(path), "port": "5673", "node": "hare@n9", "host": "192.0.2.7"}).endpoint()

    assert ("192.0.2.7", 5673, "192.0.2.7", "hare@n9", "u") == (
        found.host, found.port, found.management_host, found.node, found.user)
