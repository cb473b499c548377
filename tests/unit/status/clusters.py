# SPDX-License-Identifier: Apache-2.0
"""What crm_mon of a real cluster printed, as observations and as summaries.

The files of tests/unit/pacemaker/crm_mon/ are of lab clusters (Pacemaker 2.1.5; 3.0-*: 3.0.0), each taken with
`crm_mon --output-as=xml -1` after the fault that its name says; configuration.xml with cibadmin, show_stat.csv from
HAProxy 2.6.
"""

import os

from quorate.pacemaker import crm_mon
from quorate.pacemaker.cib import Configuration
from quorate.status import observe
from quorate.status.facts import Observation
from quorate.status.summary import summarise
from tests import ROOT

HERE = os.path.join(ROOT, "tests", "unit", "pacemaker", "crm_mon")
CAPTURED = sorted(name[:-len(".xml")] for name in os.listdir(HERE)
                  if name.endswith(".xml") and name not in ("configuration.xml", "down.xml"))


def captured(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return file.read()


def observation(name, **changes):
    cluster = crm_mon.parse(captured(name + ".xml"))
    configured = observe.configured(Configuration(captured("configuration.xml")), [node.name for node in cluster.nodes])
    return Observation("n1", cluster, configured, None, None, (), ())._replace(**changes)


def summary_of(name, **changes):
    return summarise(observation(name, **changes))


def words(summary):
    return {row.name: row.word for row in summary.nodes + summary.services}


def row(summary, name):
    return next(one for one in summary.nodes + summary.services if one.name == name)
