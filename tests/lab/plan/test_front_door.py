# SPDX-License-Identifier: Apache-2.0
"""The front door on a real cluster, made from a plan alone by the commands of docs/plan.md, with clients on every
listener.

How long things take is measured by scripts/front-door; here is what must not happen, and that all comes back.
"""

import glob
import os

import pytest

from lab import LabError, quiet
from lab.front_door import deployment
from lab.front_door.cases import CASES
from lab.front_door.measurement import Measurement
from lab.machines.cluster import Lab
from lab.machines.requirements import check_able
from tests import ROOT


@pytest.fixture(scope="module")
def measured():
    """A Measurement, and its clients at work."""
    try:
        check_able()
    except LabError as error:
        pytest.skip(str(error))
    packages = glob.glob(os.path.join(ROOT, "build", "quorate_*_all.deb"))
    if not packages:
        pytest.skip("there is no package in build/; `make deb` makes it, scripts/test does so before the tests")
    with Lab("front-test") as lab:
        lab.up(count=3, deb=max(packages, key=os.path.getmtime))
        front = deployment.Front(lab, deployment.plan_text(lab, "pacemaker"))
        front.set_up()
        with front.clients(5) as clients:
            yield Measurement(front, quiet), clients


def impact(measured, name):
    """The Impact of the case of that name; all must be well again afterwards."""
    measurement, clients = measured
    (case,) = [one for one in CASES if one.name == name]
    assert measurement.one(case, 1, clients), "clients were not well again"
    return measurement.results[-1][3]


@pytest.mark.parametrize("name", ["an instance of the APIs is killed", "HAProxy is reloaded",
                                  "the VIPs are handed over",
                                  "the database with the writes drains"])
def test_no_new_request_fails(measured, name):
    """A timeout alone is forgiven: it says that this machine is busy. Nobody is refused, cut off or answered with an
    error."""
    result = impact(measured, name)

    assert result.attempts
    assert {} == {what: number for what, number in result.errors.items() if what != "timeout"}


@pytest.mark.parametrize("name", ["HAProxy is killed", "HAProxy hangs"])
def test_another_node_takes_over(measured, name):
    result = impact(measured, name)
    before, _, after = result.moved.partition(" -> ")

    assert after not in ("nowhere", "") and "," not in after
    assert before != after or result.failed
