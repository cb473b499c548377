# SPDX-License-Identifier: Apache-2.0
"""A real three-node cluster on one machine: build, start, break, inspect, remove. See README.md."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # of the checkout
PROGRAMS = os.path.join(ROOT, "lab", "programs")


class LabError(Exception):
    """The lab cannot do what was asked; the text is one sentence for the person at the prompt."""


class Unreachable(LabError):
    """What it needs cannot be fetched on this machine; somewhere else it could be."""
