# SPDX-License-Identifier: Apache-2.0
"""A configuration of lab/brokers, tried in a lab of its own."""

import os

from lab.brokers.trial import Trial
from lab.machines.cluster import Lab
from tests.packaged import package


def tried(configuration, events=None):
    """The Trial of a configuration, after all that happens to it."""
    deb = package()
    with Lab("mqzoo-%d" % (os.getpid() % 1000000)) as lab:
        lab.up(configuration.suite, configuration.count, deb=deb, disk=configuration.disk)
        trial = Trial(lab, configuration, print).run(events)
    print(trial.seconds)
    return trial
