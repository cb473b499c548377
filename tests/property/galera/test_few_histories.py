# SPDX-License-Identifier: Apache-2.0
"""A part of test_histories.py that takes a second, for each mutant of scripts/mutants."""

from tests.property.galera import history
from tests.property.galera.test_histories import seeded

HISTORIES = 1500


def test_no_commit_is_lost_in_a_few_histories():
    for _name, world, taken in history.scenarios():
        world.play(taken)
    assert HISTORIES == len(list(seeded(HISTORIES)))
