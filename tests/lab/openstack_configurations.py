# SPDX-License-Identifier: Apache-2.0
"""Configurations of lab/controllers, tried in a lab that the next one uses as well, unless one was not well again."""

import os

import pytest

from lab import Unreachable
from lab.controllers import __main__ as zoo
from lab.controllers.trial import Trial
from lab.images import openstack
from lab.machines.cluster import Lab
from tests.packaged import package


class Labs:
    """Makes a lab when one is needed. count: of its nodes; the last one has the APIs, the others the services."""

    def __init__(self, configurations, progress, count=3):
        self._configurations, self._say, self._count, self._lab = configurations, progress, count, None

    def tried(self, configuration):
        """The Trial of a configuration, after all that happens to it."""
        if self._lab is None:
            try:
                openstack.ensure("services", self._say)
            except Unreachable as reason:
                pytest.skip(str(reason))
            self._lab = Lab("oszoo-%d" % (os.getpid() % 1000000)).__enter__()
            zoo.prepare(self._lab, package(), self._configurations, print, self._count)
        trial = Trial(self._lab, configuration, print).run()
        print(trial.seconds)
        if trial.spoiled:
            self.close()
        return trial

    def close(self):
        """Remove the lab."""
        if self._lab is not None:
            self._lab.__exit__(None, None, None)
            self._lab = None
