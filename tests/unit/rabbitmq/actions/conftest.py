# SPDX-License-Identifier: Apache-2.0
"""State files are written by the thousand here; what a power cut leaves of them is tested elsewhere. And this machine's
systemd is asked nothing."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(autouse=True)
def no_systemd(monkeypatch):
    monkeypatch.setattr("quorate.host.system.units.Units.managed", lambda self: False)
