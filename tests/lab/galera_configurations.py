# SPDX-License-Identifier: Apache-2.0
"""A configuration of lab/configurations, tried in a lab of its own."""

import os

from lab.configurations.trial import EVENTS, Trial
from lab.machines.cluster import Lab
from tests.packaged import package


def tried(configuration, events=EVENTS):
    """The Trial of a configuration after these events and those of its own."""
    deb = package()
    with Lab("zoo-%d" % (os.getpid() % 1000000)) as lab:
        lab.up(configuration.suite, configuration.count, deb=deb, disk=True)
        trial = Trial(lab, configuration, print).run(events)
    print(trial.seconds)
    return trial
