# SPDX-License-Identifier: Apache-2.0
"""What symptoms and their durations add up to."""

import pytest

from quorate.openstack import facts
from quorate.openstack.facts import Diagnosis, Limits, Symptom, Tree
from quorate.openstack.symptoms.diagnosis import diagnose
from tests.unit.openstack.symptoms.observations import CINDER, OBSERVED

FATAL = Symptom("copies", facts.FATAL, "Two.")
PASSING = Symptom("amqp", facts.PASSING, "No connection.")
BRIEF = Symptom("page", facts.PASSING, "No page.", 5.0)
OUTAGE = Symptom("broker", facts.OUTAGE, "No broker.")
NOTICE = Symptom("linking", facts.NOTICE, "No storage.")


@pytest.mark.parametrize("found, durations, limits, diagnosis", [
    ((), {}, Limits(), Diagnosis(facts.HEALTHY, "", ())),
    ((FATAL, NOTICE), {}, Limits(), Diagnosis(facts.FAILED, "Two.", ("copies", "linking"))),
    ((PASSING,), {}, Limits(), Diagnosis(facts.DEGRADED, "No connection.", ("amqp",))),
    ((PASSING,), {"amqp": 0.9}, Limits(), Diagnosis(facts.DEGRADED, "No connection.", ("amqp",))),
    ((PASSING,), {"amqp": 1.0}, Limits(),
     Diagnosis(facts.DEGRADED, "No connection. It has lasted 1 s so far.", ("amqp",))),
    ((PASSING,), {"amqp": 60.0}, Limits(),
     Diagnosis(facts.DEGRADED, "No connection. It has lasted 60 s so far.", ("amqp",))),
    ((PASSING, NOTICE), {"amqp": 60.5, "linking": 9.0}, Limits(),
     Diagnosis(facts.FAILED, "No connection. It has lasted 60 s.", ("amqp", "linking"))),
    ((PASSING,), {"amqp": 21.0}, Limits(20.0),
     Diagnosis(facts.FAILED, "No connection. It has lasted 21 s.", ("amqp",))),
    ((PASSING,), {}, Limits(0.0), Diagnosis(facts.DEGRADED, "No connection.", ("amqp",))),
    ((PASSING, BRIEF), {"amqp": 6.0, "page": 6.0}, Limits(),
     Diagnosis(facts.FAILED, "No page. It has lasted 6 s.", ("amqp", "page"))),
    ((OUTAGE,), {"broker": 9999.0}, Limits(),
     Diagnosis(facts.DEGRADED, "No broker. It has lasted 9999 s so far.", ("broker",))),
    ((OUTAGE,), {"broker": 1.5}, Limits(60.0, 1.0),
     Diagnosis(facts.FAILED, "No broker. It has lasted 1 s.", ("broker",))),
    ((NOTICE,), {"linking": 9999.0}, Limits(60.0, 10.0),
     Diagnosis(facts.DEGRADED, "No storage. It has lasted 9999 s so far.", ("linking",)))])
def test_diagnosis(found, durations, limits, diagnosis):
    assert diagnose(CINDER, OBSERVED, found, durations, limits) == diagnosis


def test_nothing_runs():
    assert diagnose(CINDER, OBSERVED._replace(tree=Tree()), (), {}, Limits()) == (
        Diagnosis(facts.STOPPED, "No cinder-volume runs on this node.", ()))
