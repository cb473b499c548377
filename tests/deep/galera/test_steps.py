# SPDX-License-Identifier: Apache-2.0
"""Every command of every life of a cluster of in-memory nodes goes wrong, in every way. Takes minutes.

A choice of these is in tests/unit/galera/node/test_faults.py.
"""

import pytest

from tests.nodes.machine import KINDS
from tests.unit.galera.node.lives import ALL, LIVES, live, steps_of


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_a_fault_at_any_step_costs_a_cleanup_at_the_most(tmp_path, monkeypatch, life, kind):
    steps = steps_of(tmp_path / "well", monkeypatch, life)
    harmed = []
    for node in ALL:
        for step in range(steps[node]):
            with monkeypatch.context() as patched:
                try:
                    live(tmp_path / ("%s-%d" % (node, step)), patched, life, node, kind, step)
                except AssertionError as error:
                    harmed.append("%s at command %d of %s: %s" % (kind, step, node, error))
    assert not harmed, "\n\n".join(harmed)
