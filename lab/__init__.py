# SPDX-License-Identifier: Apache-2.0
"""A real three-node cluster on one machine: build, start, break, inspect, remove. See README.md."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # of the checkout
PROGRAMS = os.path.join(ROOT, "lab", "programs")  # what runs in nodes and beside them


class LabError(Exception):
    """The lab cannot do what was asked; the text is one sentence for the operator."""


class Unreachable(LabError):
    """What the lab needs cannot be fetched on this machine; on another one it could be."""


def quiet(text):
    """A `say`, called with each line of progress, that prints nothing."""
