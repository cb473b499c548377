# SPDX-License-Identifier: Apache-2.0
"""What validate-all says about how the cluster fences. Delays of two nodes: tests/unit/galera/test_validation.py."""

import pytest

from quorate.pacemaker import cib, crm_mon, fencing
from quorate.pacemaker.tools import Unavailable
from tests import fakes

DEVICE = """<cib><configuration><crm_config/><resources><primitive id="f" class="stonith" type="fence_ipmilan"/>
</resources></configuration></cib>"""
DELAY = "pcs stonith update f pcmk_delay_base='n1:10s;n2:0'"


@pytest.mark.parametrize("fences, types, ending", [
    (True, {"n1": "member", "n2": "member"}, DELAY), (None, {"n1": "member", "n2": "member"}, DELAY),
    (True, {"n1": "member", "n2": "member", "c1": "remote"}, DELAY),
    (True, {"n1": "member", "n2": "member", "n3": "member"}, None), (True, {"n1": "member", "c1": "remote"}, None),
    (False, {"n1": "member", "n2": "member"}, "can do harm. pcs property set stonith-enabled=true")])
def test_how_the_cluster_fences(mocker, fences, types, ending):
    mocker.patch.object(cib, "stonith_enabled", lambda *_: fences)
    mocker.patch.object(cib, "configuration", lambda *_: cib.Configuration(DEVICE))
    mocker.patch.object(crm_mon, "status", lambda *_: mocker.Mock(nodes=[
        crm_mon.Node(*([name, kind] + [None] * (len(crm_mon.Node._fields) - 2))) for name, kind in types.items()]))

    found = fencing.warnings(fakes.context("validate-all"), "the service", "do harm")

    assert len(found) == bool(ending) and (not ending or found[0].endswith(ending))
    assert ending != DELAY or "and the service is gone" in found[0]


@pytest.mark.parametrize("silent", ["stonith_enabled", "configuration"])
def test_a_cluster_that_does_not_answer_is_not_judged(mocker, silent):
    def unavailable(*_):
        raise Unavailable("It does not answer.")

    mocker.patch.object(cib, "stonith_enabled", lambda *_: True)
    mocker.patch.object(cib, "configuration", lambda *_: cib.Configuration(DEVICE))
    mocker.patch.object(crm_mon, "status", lambda *_: mocker.Mock(nodes=[]))
    mocker.patch.object(cib, silent, unavailable)

    assert fencing.warnings(fakes.context("validate-all"), "the service", "do harm") == []
