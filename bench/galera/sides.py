# SPDX-License-Identifier: Apache-2.0
"""The two sides that are compared, and how one or the other manages the same three database servers."""

import signal
import time

from bench.galera.watch import all_down
from bench.side import Side
from lab import LabError
from lab.services import galera

STOP_LIMIT = 130.0
SETTLE_LIMIT = 120.0
PRISTINE = "/var/lib/mysql.pristine"
FORGET = r"""
for name in $(crm_attribute -t crm_config -s quorate -Q -n none 2>/dev/null;
              cibadmin -Q -A "//cluster_property_set[@id='quorate']/nvpair" 2>/dev/null |
              sed -n 's/.* name="\([^"]*\)".*/\1/p'); do crm_attribute -t crm_config -s quorate -n "$name" -D; done
"""


OURS = Side("quorate", "quorate", "galera", {})
PEER = Side("heartbeat", "heartbeat", "galera", {"config": "/etc/mysql/my.cnf"})
SIDES = (OURS, PEER)


def prepare(lab):
    """Prepare a lab, once: write the configuration, and copy the empty databases as the distribution's package made
    them."""
    galera.prepare(lab)
    # Pacemaker starts fewer actions at once on a loaded machine, by /proc/loadavg, which the nodes share with this
    # machine and everything else on it: SIGKILL of all three took 34 and 36 s under a foreign load of 7.
    lab.check(lab.node_names[0], ["pcs", "property", "set", "load-threshold=0%"])
    for node in lab.node_names:
        lab.check(node, "test -e %s || cp -a /var/lib/mysql %s" % (PRISTINE, PRISTINE))


def take_down(lab, watcher):
    """Remove the resource, the servers and all their state, and restore the empty databases. LabError if the servers do
    not stop."""
    first = lab.node_names[0]
    if lab.run(first, ["pcs", "resource", "config", galera.RESOURCE]).rc == 0:
        lab.run(first, ["pcs", "resource", "disable", galera.RESOURCE], 60)
        if watcher.until(all_down, time.monotonic(), STOP_LIMIT) is None:  # a case that was given up left it so
            watcher.signal(signal.SIGKILL, *[node for node, state in watcher.states.items() if state != "down"])
            if watcher.until(all_down, time.monotonic(), 30) is None:
                raise LabError("the servers do not stop: %s" % watcher.text())
        lab.run(first, ["crm_resource", "--wait", "--timeout=60s"], 70)
        lab.check(first, ["pcs", "resource", "delete", "--force", galera.RESOURCE], 120)
        lab.run(first, ["crm_resource", "--wait", "--timeout=60s"], 70)
    for node in lab.node_names:
        lab.check(node, "rm -rf /run/quorate/galera-* /var/lib/quorate/galera-*; find /var/lib/mysql -mindepth 1 -delete; "
                        "cp -a %s/. /var/lib/mysql/; : >/var/log/mysql/error.log" % PRISTINE)
        lab.run(node, "for name in $(cibadmin -Q -A \"//node_state[@uname='%s']/transient_attributes//nvpair\" 2>/dev/null | "
                      "sed -n 's/.* name=\"\\([^\"#]*\\)\".*/\\1/p' | grep %s); do attrd_updater -D -n $name -N %s; done; "
                      "attrd_updater -D -p -n %s-report -N %s; crm_attribute -q -l forever -n %s-generation -N %s -D"
                      % (node, galera.RESOURCE, node, galera.RESOURCE, node, galera.RESOURCE, node))
    lab.run(first, FORGET)


def create(lab, side):
    """Create the resource; the time when the command was run, monotonic."""
    began = time.monotonic()
    galera.create(lab, side.agent, **side.parameters)
    return began


def settle(lab, watcher, condition, limit=SETTLE_LIMIT):
    """Wait until condition(states) holds and the cluster has nothing more to do; clean up failures. LabError after
    `limit` seconds."""
    began, first = time.monotonic(), lab.node_names[0]
    if watcher.until(condition, began, limit) is None:
        raise LabError("not settled after %.0f s: %s" % (limit, watcher.text()))
    lab.run(first, ["crm_resource", "--wait", "--timeout=%ds" % limit], limit + 10)
    lab.run(first, ["pcs", "resource", "cleanup", galera.RESOURCE], 60)
    lab.run(first, ["crm_resource", "--wait", "--timeout=%ds" % limit], limit + 10)
    lab.wait(lambda: len(lab.promoted(galera.RESOURCE)) == len(lab.nodes), limit,
             "not all promoted after %.0f s; see `lab status --name %s`" % (limit, lab.name))
