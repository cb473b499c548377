# SPDX-License-Identifier: Apache-2.0
"""stop, where a process stays."""

from quorate.ocf import codes
from quorate.openstack.actions import stop
from tests.unit.openstack.fakes import CINDER, LINE, FakeSources, world


def test_a_process_that_the_kernel_keeps_is_named(config, state_files):
    found = world("stop", config)
    found.processes.add(LINE.format(config=config), pid=77, state="D", dies_of=())
    outcome = stop.stop(found, CINDER, state_files, FakeSources())

    assert codes.ERR_GENERIC == outcome.code and "pid 77, state D" in outcome.reason
