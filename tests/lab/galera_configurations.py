# SPDX-License-Identifier: Apache-2.0
"""A configuration of lab/configurations, tried in a lab of its own."""

import os

from lab.configurations.trial import Trial
from lab.machines.cluster import Lab
from tests.packaged import package


def tried(configuration):
    """The Trial of a configuration, after all that happens to it."""
    deb = package()
    with Lab("zoo-%d" % (os.getpid() % 1000000)) as lab:
        lab.up(configuration.suite, configuration.count, deb=deb, disk=True)
        trial = Trial(lab, configuration, print).run()
    print(trial.seconds)
    return trial
