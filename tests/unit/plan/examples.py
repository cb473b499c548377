# SPDX-License-Identifier: Apache-2.0
"""The plans of examples/, by the names after `plan-`."""

import os

from quorate.plan.parse import read
from tests import ROOT

EXAMPLES = ("three-controllers", "five-dedicated", "two-endpoints")


def path_of(name):
    return os.path.join(ROOT, "examples", "plan-%s.toml" % name)


def text_of(name):
    with open(path_of(name), encoding="utf-8") as file:
        return file.read()


def plan_of(name, *changes):
    """The plan; changes: (old, new) texts, made before it is read."""
    text = text_of(name)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    plan, problems = read(text)
    assert () == problems
    return plan
