# SPDX-License-Identifier: Apache-2.0
"""What is done to a cluster of brokers, how long it takes until it serves again, and what of the furniture is gone."""

import random
import time
from typing import NamedTuple, Optional

from bench.run import say
from bench.side import Side
from lab import LabError
from lab.faults import machine
from lab.faults.fault import wait_for
from lab.services import rabbitmq

LIMIT = 180.0    # seconds after which a case is given up
INTERVAL = 10.0  # seconds between two monitors
BEAM = "beam.smp"
CASES = {"restart": "enable, all serve", "kill_one": "SIGKILL of one", "kill_all": "SIGKILL of all three",
         "power_all": "power cut of all three", "replace": "a machine with an empty disk",
         "one_off": "power cut of all, one stays off: the two serve"}
ASIDE = "/root/aside"
OURS = Side("quorate", "quorate", "rabbitmq", {})
PEER = Side("heartbeat", "heartbeat", "rabbitmq-cluster", {"set_policy": 'ha-all ^ha\\. {"ha-mode":"all"}'})
SIDES = (OURS, PEER)


class Timing(NamedTuple):
    """One measurement. seconds None: not within LIMIT. gone: what of the furniture was gone afterwards, None: not
    checked."""

    case: str
    side: str
    seconds: Optional[float]
    gone: Optional[list]


def take_down(lab):
    """Remove the resource, the brokers and all their state, and empty the disks (the old data are moved aside)."""
    first = lab.node_names[0]
    if lab.run(first, ["pcs", "resource", "config", rabbitmq.RESOURCE + "-clone"]).rc == 0:
        lab.run(first, ["pcs", "resource", "disable", rabbitmq.RESOURCE + "-clone"], 60)
        lab.run(first, ["crm_resource", "--wait", "--timeout=150s"], 160)
        lab.check(first, ["pcs", "resource", "delete", "--force", rabbitmq.RESOURCE + "-clone"], 120)
        lab.run(first, ["crm_resource", "--wait", "--timeout=60s"], 70)
    for node in lab.node_names:
        lab.run(node, "pkill -KILL beam; sleep 0.3; d=%s/$(date +%%s%%N); mkdir -p $d; mv %s/* $d/ 2>/dev/null; "
                "rm -rf /run/quorate/rabbitmq-* /var/lib/quorate/rabbitmq-*; attrd_updater -D -p -n %s-report; "
                "attrd_updater -D -n %s-status; crm_attribute -q -l forever -n %s-generation -N %s -D"
                % ((ASIDE, rabbitmq.BASE) + (rabbitmq.RESOURCE,) * 3 + (node,)))
    lab.run(first, "for set in quorate %s-founder; do cibadmin -D -o crm_config --xml-text "
                   "\"<cluster_property_set id='$set'/>\"; done" % rabbitmq.RESOURCE)


def until_whole(lab, began, nodes=None):
    """Seconds since `began` until `nodes` (default: all) serve as one cluster; None when that takes too long. The time
    of the last poll that found them serving counts: asking whether they are one cluster takes a second or more, which
    is not counted."""
    try:
        rabbitmq.wait_serving(lab, nodes, LIMIT - (time.monotonic() - began))
        seconds = time.monotonic() - began
        while not rabbitmq.one_cluster(lab, nodes):  # the peer's brokers answer before they join
            rabbitmq.wait_serving(lab, nodes, max(1.0, LIMIT - (time.monotonic() - began)))
            seconds = time.monotonic() - began
            if seconds > LIMIT:
                return None
        return seconds
    except LabError as error:
        say(str(error))
        return None


class Bench:
    """Runs cases and keeps their timings. until: HH:MM after which no case begins."""

    def __init__(self, lab, seed, until=None):
        self.lab, self.until, self.timings, self.remarks = lab, until, [], []
        self.seed, self.number, self.random = seed, 0, random.Random(seed)

    @property
    def over(self):
        return bool(self.until) and time.strftime("%H:%M") >= self.until

    def note(self, case, side, seconds, gone=None):
        self.timings.append(Timing(case, side.label, seconds, gone))
        say("%-46s %-9s %s%s" % (case, side.label, "not within %.0f s" % LIMIT if seconds is None else "%.1f s"
                                 % seconds,
                                 "" if gone is None else ", all kept" if not gone else ", GONE: "
                                 + "; ".join(gone[:6])))
        return seconds is not None

    def remark(self, side, text):
        self.remarks.append("%s: %s" % (side.label, text))
        say("    " + text)

    def after(self, case, side, began):
        """Wait, check the furniture, and restore it for the next case. Whether to go on."""
        seconds = until_whole(self.lab, began)
        gone = ["not checked: it does not serve"] if seconds is None else rabbitmq.missing(self.lab)
        fine = self.note(case, side, seconds, gone)
        if fine and gone:
            self.refurnish()
        return fine

    def refurnish(self):
        first = self.lab.node_names[0]
        self.lab.run(first, "for v in / /one /two; do rabbitmqctl -q delete_vhost $v; done; rabbitmqctl -q add_vhost /",
                     60)
        rabbitmq.furnish(self.lab)

    def settle(self):
        self.lab.run(self.lab.node_names[0], ["crm_resource", "--wait", "--timeout=90s"], 100)

    def cold(self, side, recorded=True):
        take_down(self.lab)
        began = time.monotonic()
        rabbitmq.create(self.lab, side.agent, **side.parameters)
        self.lab.wait(lambda: rabbitmq.serving(self.lab), LIMIT, "no broker serves", every=0.1)
        first, all_three = time.monotonic() - began, until_whole(self.lab, began)
        if recorded:
            self.note("cold start, first serves", side, first)
            self.note("cold start, all serve", side, all_three)
        if all_three is not None:
            rabbitmq.furnish(self.lab)
        return all_three is not None

    def restart(self, side):
        first = self.lab.node_names[0]
        began = time.monotonic()
        self.lab.check(first, ["pcs", "resource", "disable", rabbitmq.RESOURCE + "-clone"])
        self.lab.wait(lambda: all(self.lab.run(node, ["pidof", BEAM]).rc for node in self.lab.node_names), LIMIT,
                      "the brokers do not stop", every=0.1)
        self.note("disable, all stopped", side, time.monotonic() - began)
        self.settle()
        began = time.monotonic()
        self.lab.check(first, ["pcs", "resource", "enable", rabbitmq.RESOURCE + "-clone"])
        return self.after(CASES["restart"], side, began)

    def kill_one(self, side):
        time.sleep(self.random.uniform(0, INTERVAL))
        began = time.monotonic()
        machine.kill(self.lab, "n2", BEAM)
        self.lab.wait(lambda: "n2" not in rabbitmq.serving(self.lab), 10, "the broker of n2 still serves after SIGKILL",
                      every=0.05)
        return self.after(CASES["kill_one"], side, began) and self.members(side, "SIGKILL of one")

    def kill_all(self, side):
        time.sleep(self.random.uniform(0, INTERVAL))
        began = time.monotonic()
        for node in self.lab.node_names:
            machine.kill(self.lab, node, BEAM)
        return self.after(CASES["kill_all"], side, began)

    def power_all(self, side):
        self.lab.power_cut(*self.lab.node_names, stay_off=True)
        began = time.monotonic()
        self.lab.power_on()
        return self.after(CASES["power_all"], side, began)

    def one_off(self, side):
        """All lose their power and n3 stays off: the other two wait for it, until the operator overrides that."""
        rest = self.lab.node_names[:2]
        self.lab.power_cut(*self.lab.node_names, stay_off=True)
        began = time.monotonic()
        self.lab.power_on(*rest)
        if side is OURS:
            command = self.lab.wait(lambda: self.shown_command(rest[0]), LIMIT, "quorate explain shows no command",
                                    every=0.5)
            self.remark(side, "one stays off: after %.1f s it shows what to type: %s"
                        % (time.monotonic() - began, command))
            began = time.monotonic()
            self.lab.check(rest[0], command.split())
        seconds = until_whole(self.lab, began, rest)
        gone = ["not checked: it does not serve"] if seconds is None else rabbitmq.missing(self.lab, rest[0])
        fine = self.note(CASES["one_off"], side, seconds, gone)
        began = time.monotonic()
        self.lab.power_on()
        return self.after("the third is back", side, began) and fine

    def shown_command(self, node):
        """The command that `quorate explain` shows to go on; None while it shows none."""
        try:
            words = self.lab.run(node, ["quorate", "explain"], 20).out.partition("to go on: ")[2].splitlines()
        except LabError:
            return None
        return words[0] if words else None

    def replace(self, side):
        """A node is replaced by one of the same name with an empty disk. The lab keeps the old data."""
        began = time.monotonic()
        self.lab.run("n2", "d=%s/$(date +%%s%%N); mkdir -p $d; kill -KILL $(pidof %s); sleep 0.3; mv %s/* $d/; "
                     "rm -rf %s" % (ASIDE, BEAM, rabbitmq.BASE, rabbitmq.KEPT))
        self.lab.wait(lambda: "n2" not in rabbitmq.serving(self.lab), 10, "the broker of n2 still serves after SIGKILL",
                      every=0.05)
        return self.after(CASES["replace"], side, began) and self.members(side, "an empty disk")

    def members(self, side, what):
        began = time.monotonic()
        wait_for(lambda: self.count_members() == 3, 20, 1)
        self.remark(side, "after %s the quorum queue has %d members (waited for %.0f s)" % (
            what, self.count_members(), time.monotonic() - began))
        return True

    def count_members(self):
        try:
            return rabbitmq.quorum_members(self.lab, "n1")
        except (LabError, ValueError, KeyError):
            return 0

    def round(self, side, cases):
        """A cold start and all cases. A case that fails is recorded, and the next one begins with a cold start."""
        self.number += 1
        self.random = random.Random("%d %d" % (self.seed, (self.number + 1) // 2))
        begun = not self.over and self.attempt("cold start, all serve", side, lambda: self.cold(side))
        for case in cases if begun else ():
            if self.over:
                return
            self.settle()
            if not self.attempt(CASES[case], side, lambda case=case: getattr(self, case)(side)):
                self.lab.power_on()
                self.lab.wait_online()
                if not self.cold(side, recorded=False):
                    return

    def attempt(self, name, side, action):
        """The value of action(); False after an error, which is recorded."""
        try:
            return action()
        except (LabError, ValueError) as error:
            self.remark(side, "%s: %s" % (name, error))
            self.note(name, side, None)
            return False
