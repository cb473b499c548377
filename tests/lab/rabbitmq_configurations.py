# SPDX-License-Identifier: Apache-2.0
"""A configuration of lab/brokers, tried in a lab of its own."""

import os

from lab.brokers.trial import EVENTS, Trial
from lab.machines.cluster import Lab
from tests.packaged import package


def tried(configuration, events=EVENTS, suite="bookworm"):
    """The Trial of a configuration, after all that happens to it."""
    deb = package()
    with Lab("mqzoo-%d" % (os.getpid() % 1000000)) as lab:
        lab.up(suite, deb=deb)
        trial = Trial(lab, configuration, print).run(events)
    print(trial.seconds)
    return trial
