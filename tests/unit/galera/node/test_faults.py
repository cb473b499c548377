# SPDX-License-Identifier: Apache-2.0
"""One command fails, does not end, or the agent is killed at it: at any step, on any node. See lives.py.

Nothing acknowledged is lost, there are never two primary components, a stop stops, and in the end all nodes serve, at
the most after a cleanup. Here a choice; tests/deep/test_galera_steps.py takes every step.
"""

import random

import pytest

from tests.nodes.machine import KINDS
from tests.unit.galera.node.lives import ALL, LIVES, live, steps_of

CHOSEN = 12  # of each life


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_a_fault_at_any_step_costs_a_cleanup_at_the_most(tmp_path, monkeypatch, life):
    chance = random.Random("faults of " + life.__name__)
    steps = steps_of(tmp_path / "well", monkeypatch, life)
    for number in range(CHOSEN):
        node, kind = chance.choice(ALL), chance.choice(KINDS)
        step = chance.randrange(steps[node])
        print("%s: %s at command %d of %s" % (life.__name__, kind, step, node))
        with monkeypatch.context() as patched:
            live(tmp_path / str(number), patched, life, node, kind, step)
