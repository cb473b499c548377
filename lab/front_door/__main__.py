# SPDX-License-Identifier: Apache-2.0
"""What clients of every listener feel when something of the front door fails: scripts/front-door

    scripts/front-door [--vip-manager pacemaker|keepalived|both] [--only WORDS] [--repeat N] [--rate N] [--suite S]
                       [--name LAB] [--report FILE] [--keep] [--real]

The front door is made from a plan alone. Clients knock at every listener --rate times a second with a new connection each;
an attempt has failed when it is refused, answered with an error, or not answered within five seconds. `out` is the longest
time in which no attempt of a listener succeeded. Ends with 0 only if the VIPs came back after each case.
"""

import argparse
import glob
import json
import os
import statistics
import sys
import time
from typing import Callable, NamedTuple

from lab import ROOT, LabError
from lab.faults import machine
from lab.front_door import deployment, real
from lab.machines.cluster import Lab

BACK = 120.0   # most seconds until all is as before


class Case(NamedTuple):
    """One thing that happens. managers: who moves the VIPs where it does, and 'real': with real services. inject(front, holder);
    mend(front, holder): what the operator does afterwards; of_holder: whether only what goes through the holder's VIPs counts."""

    name: str
    managers: tuple
    inject: Callable
    mend: Callable = lambda door, holder: None
    of_holder: bool = True


def kill_instance(door, holder):
    door.kill_instances(_other(door, holder))


def kill_one_by_one(door, holder):
    """Each service of that node alone, the next one when all are back."""
    for unit in door.units:
        door.kill_unit(_other(door, holder), unit)
        door.lab.wait(door.all_up, door.rest, "HAProxy does not see all servers up after %s was killed" % unit)


def start_instance(door, holder):
    door.start_instances(_other(door, holder))


def hang_instance(door, holder):
    door.hang_instances(_other(door, holder))


def wake_instance(door, holder):
    door.wake_instances(_other(door, holder))


def _other(door, holder):
    """A node with APIs, which does not carry the VIP if there is another."""
    return [name for name in door.api_nodes if name != holder][0]


def kill_haproxy(door, holder):
    machine.kill(door.lab, holder, "haproxy")


def hang_haproxy(door, holder):
    machine.stop(door.lab, holder, "haproxy")


def kill_keepalived(door, holder):
    machine.kill(door.lab, holder, "keepalived")


def power_cut(door, holder):
    door.lab.power_cut(holder)


def power_on(door, holder):
    """Fencing switches it on again: in the lab all nodes are members of the cluster, endpoints too."""
    door.lab.wait_online([name for name in door.lab.node_names if name != holder])
    door.lab.wait(lambda: door.lab.is_on(holder), 120, "%s was not switched on again" % holder)
    door.lab.wait_online()
    if holder in door.api_nodes:
        door.start_instances(holder)


def reload_haproxy(door, holder):
    door.lab.check(holder, ["systemctl", "reload", "haproxy.service"])


def move(door, holder):
    """The way an operator does it: the check says no on the node that is to be worked on, or the node goes on standby."""
    if door.plan.vip_manager == "keepalived":
        door.lab.check(holder, ["haproxy-check", "drain", "planned"])
    else:
        for vip in door.plan.vips:
            target = [name for name in door.fronts if name != holder][0]
            door.lab.check(holder, ["crm_resource", "--resource", "vip-" + vip.name, "--move", "--node", target])


def hand_over(door, holder):
    """The same, with requests that are under way given their time, on the node that is left, one VIP after the other."""
    target = [name for name in door.fronts if name != holder][0]
    held = [vip for vip in door.plan.vips if door.holders().get(vip.name) == holder]
    if door.plan.vip_manager == "keepalived":
        commands = [(held, ["haproxy-check", "drain", "planned"])]
    else:
        commands = [([vip], ["crm_resource", "--resource", "vip-" + vip.name, "--move", "--node", target]) for vip in held]
    for vips, command in commands:
        words = ["quorate", "handover"] + [word for vip in vips for word in ("--address", vip.address)] + command
        done = door.lab.run(holder, words, 60)
        if done.rc != 0:
            raise LabError("quorate handover on %s ended with %s: %s" % (holder, done.rc, done.err.strip()))


def stand_by(door, holder):
    """What docs/plan.md advises against: the VIPs wait for whatever else there is to stop."""
    done = door.lab.run(holder, ["quorate", "handover", "pcs", "node", "standby", holder], 120)
    if done.rc != 0:
        raise LabError("quorate handover on %s ended with %s: %s" % (holder, done.rc, done.err.strip()))


def stand_up(door, holder):
    door.lab.check(holder, ["pcs", "node", "unstandby", holder])


def move_over(door, holder):
    if door.plan.vip_manager == "keepalived":
        door.lab.check(holder, ["haproxy-check", "undrain"])
    else:
        for vip in door.plan.vips:
            door.lab.check(holder, ["crm_resource", "--resource", "vip-" + vip.name, "--clear"])


def drain_writer(door, holder):
    door.lab.check(door.writer(), ["galera-check", "drain", "planned"])


def undrain(door, holder):
    for node in door.controllers.node_names:
        door.lab.check(node, ["galera-check", "undrain"])


def kill_writer(door, holder):
    machine.kill(door.lab, door.writer(), "mariadbd")


def cut_off(door, holder):
    """The node reaches no controller any more; clients and the other endpoint it does."""
    for node in door.controllers.node_names:
        door.lab.check(holder, ["ip", "route", "add", "blackhole", door.plan.address(node) + "/32"])


def join(door, holder):
    for node in door.controllers.node_names:
        door.lab.check(holder, ["ip", "route", "del", "blackhole", door.plan.address(node) + "/32"])


def clean(door, holder):
    """Where HAProxy failed it is started again after failure-timeout; an operator who knows need not wait."""
    if door.plan.vip_manager == "pacemaker":
        door.lab.check(door.fronts[0], ["crm_resource", "--cleanup", "--resource", "haproxy"])


BOTH = ("pacemaker", "keepalived")
CASES = (
    Case("an instance of the APIs is killed", BOTH, kill_instance, start_instance, False),
    Case("one service after the other is killed", ("real",), kill_one_by_one, of_holder=False),
    Case("an instance of the APIs hangs", BOTH, hang_instance, wake_instance, False),
    Case("HAProxy is reloaded", BOTH, reload_haproxy),
    Case("the VIPs are moved", BOTH, move, move_over),
    Case("the VIPs are handed over", BOTH, hand_over, move_over),
    Case("the node goes on standby, handed over", ("pacemaker",), stand_by, stand_up),
    Case("the database with the writes drains", BOTH, drain_writer, undrain, False),
    Case("the database with the writes is killed", BOTH, kill_writer, of_holder=False),
    Case("HAProxy is killed", BOTH, kill_haproxy, clean),
    Case("HAProxy hangs", BOTH, hang_haproxy, clean),
    Case("HAProxy has no backend left", ("keepalived",), cut_off, join),
    Case("keepalived is killed", ("keepalived",), kill_keepalived),
    Case("the power of the node is cut", BOTH, power_cut, power_on),
)


class Felt(NamedTuple):
    """What the clients felt. failed, attempts: numbers; out: longest seconds without a success at one listener;
    listeners: how many had a failure; slowest: seconds of the slowest attempt that succeeded; moved: who had the VIP and
    who has it; seconds: how long was looked."""

    failed: int
    attempts: int
    listeners: int
    out: float
    slowest: float
    errors: dict
    moved: str
    seconds: float


def felt(attempts, begin, end, moved):
    """Felt, from the attempts (name, began, took, what) that began between `begin` and `end`."""
    by_name, errors = {}, {}
    for name, began, took, came in attempts:
        by_name.setdefault(name, []).append((began, began + took, came))
        if came != "ok":
            errors[came] = errors.get(came, 0) + 1
    out, slowest, hit = 0.0, 0.0, 0
    for found in by_name.values():
        good = sorted(ended for _, ended, came in found if came == "ok")
        moments = [begin] + good + [end]
        out = max([out] + [later - earlier for earlier, later in zip(moments, moments[1:])])
        slowest = max([slowest] + [ended - began for began, ended, came in found if came == "ok"])
        hit += any(came != "ok" for _, _, came in found)
    return Felt(sum(errors.values()), len(attempts), hit, round(out, 2), round(slowest, 2), errors, moved,
                round(end - begin, 2))


class Door:
    """One front door on a lab, and the cases."""

    def __init__(self, door, say):
        self.door, self.say, self.results = door, say, []

    def run(self, cases, repeat, rate):
        """All cases, one after the other. Returns whether all came back."""
        whole = True
        with self.door.knocking(rate) as clients:
            for case in cases:
                for number in range(1, repeat + 1):
                    whole = self.one(case, number, clients) and whole
        return whole

    def quiet(self, clients):
        """Wait until each VIP is on one node, every HAProxy sees every server, and clients are well."""
        end = time.monotonic() + self.door.rest
        while time.monotonic() < end:
            holders = self.door.holders()
            if (len(holders) == len(self.door.plan.vips) and not any("," in one for one in holders.values())
                    and clients.well() and self.door.all_up()):
                return True
            time.sleep(0.5)
        return False

    def one(self, case, number, clients):
        if not self.quiet(clients):
            self.say("not quiet before: %s; holders %s" % (case.name, self.door.holders()))
            return False
        holder = self.door.holders()["internal"]
        held = [vip.name for vip in self.door.plan.vips if self.door.holders().get(vip.name) == holder]
        begin = time.monotonic()
        case.inject(self.door, holder)
        back = self._wait_well(clients)
        if case.inject is kill_instance and self.door.returns:  # clients have to be well also while it loads, and when it is back
            back = self._wait_back(clients) and back
        end = time.monotonic()
        moved = self.door.holders().get("internal", "nowhere")
        names = {place.partition("=")[0] for place in self.door.places()
                 if any(place.partition("=")[2].startswith(self.door.plan.vip(vip).address + ":") for vip in held)}
        seen = [one for one in clients.between(begin, end) if not case.of_holder or one[0] in names]
        result = felt(seen, begin, end, "%s -> %s" % (holder, moved))
        self.results.append((self.door.plan.vip_manager, case.name, number, result, begin, seen))
        self.say("%-10s %-36s %d: %d of %d failed at %d listeners, out for %.2f s, slowest %.2f s, VIP %s %s" % (
            self.door.plan.vip_manager, case.name, number, result.failed, result.attempts, result.listeners, result.out,
            result.slowest, result.moved, result.errors or ""))
        case.mend(self.door, holder)
        if not back:
            self.say("clients were not well again after %.0f s" % BACK)
        return back

    def _wait_back(self, clients):
        """All servers up again, and clients well."""
        end = time.monotonic() + self.door.rest
        while time.monotonic() < end:
            if self.door.all_up() and clients.well():
                return True
            time.sleep(1)
        return False

    def _wait_well(self, clients):
        """Clients well for three seconds (three attempts), at least six after the fault: a hang is not felt at once."""
        begin = time.monotonic()
        while time.monotonic() - begin < BACK:
            time.sleep(0.25)
            if time.monotonic() - begin > 6 and clients.well():
                return True
        return False


def table(results):
    """The figures as Markdown: medians, and in brackets the worst."""
    lines = ["| VIPs by | what happens | runs | failed of attempts | listeners hit | longest time without a success |",
             "|---|---|---|---|---|---|"]
    keys = list(dict.fromkeys((manager, name) for manager, name, *_ in results))
    for manager, name in keys:
        found = [one[3] for one in results if one[:2] == (manager, name)]
        outs = [one.out for one in found]
        lines.append("| %s | %s | %d | %s of %d | %d | %.1f s%s |" % (
            manager, name, len(found), sum(one.failed for one in found), sum(one.attempts for one in found),
            max(one.listeners for one in found), statistics.median(outs),
            " (%.1f)" % max(outs) if len(found) > 1 else ""))
    return "\n".join(lines) + "\n"


def by_listener(results):
    """The same for each listener and case: failed of attempts, and the longest time without a success."""
    cases = list(dict.fromkeys(name for _, name, *_ in results))
    names = sorted({one[0] for *_, seen in results for one in seen})
    lines = ["| listener | %s |" % " | ".join(cases), "|---" * (len(cases) + 1) + "|"]
    for name in names:
        row = []
        for case in cases:
            found = []
            for _, what, _, result, begin, seen in results:
                own = [one for one in seen if one[0] == name]
                if what == case and own:
                    found.append(felt(own, begin, begin + result.seconds, ""))
            row.append("%d of %d, %.1f s" % (sum(one.failed for one in found), sum(one.attempts for one in found),
                                             max(one.out for one in found)) if found else "-")
        lines.append("| %s | %s |" % (name, " | ".join(row)))
    return "\n".join(lines) + "\n"


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vip-manager", choices=("pacemaker", "keepalived", "both"), default="both")
    parser.add_argument("--only", default="", help="cases with these words in their name")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--rate", type=float, default=5, help="attempts a second at each listener")
    parser.add_argument("--suite", default="bookworm")
    parser.add_argument("--name", default="front")
    parser.add_argument("--deb", help="our package; otherwise build/quorate_*.deb")
    parser.add_argument("--report", help="file for every attempt, JSON lines")
    parser.add_argument("--keep", action="store_true", help="leave the lab for a look until Enter is pressed")
    parser.add_argument("--real", action="store_true", help="Debian's own OpenStack behind it, with VIPs by Pacemaker; first "
                        "every service is stopped and hung, and a user works through the VIP")
    options = parser.parse_args(argv)
    if options.real:
        options.vip_manager, options.rate, options.suite = "pacemaker", min(options.rate, 0.5), "bookworm"
    managers = BOTH if options.vip_manager == "both" else (options.vip_manager,)
    began, results, whole = time.monotonic(), [], True

    def say(text):
        print("%7.1f  %s" % (time.monotonic() - began, text), flush=True)

    for manager in managers:
        try:
            done, found = one_door(options, manager, say)
        except LabError as error:
            say("%s: %s" % (manager, error))
            done, found = False, []
        whole = whole and done
        results += found
    if options.report:
        with open(options.report, "w", encoding="ascii") as file:
            for vip_manager, name, number, result, begin, seen in results:
                file.write(json.dumps({"manager": vip_manager, "case": name, "run": number, "felt": result._asdict(),
                                       "attempts": [[one[0], round(one[1] - begin, 3), one[2], one[3]] for one in seen]})
                           + "\n")
    print("\n" + table(results) + ("\n" + by_listener(results) if options.real else ""))
    return 0 if whole and results else 1


def one_door(options, manager, say):
    """A lab, its front door, all cases; (whether all came back, results)."""
    deb = options.deb or newest_deb()
    kinds = {manager, "real"} if options.real else {manager}
    cases = [case for case in CASES if kinds.intersection(case.managers) and options.only in case.name]
    with Lab(options.name) as lab:
        lab.up(suite=options.suite, count=3 if manager == "pacemaker" else 4, deb=deb, say=say,
               layers=real.layers(say) if options.real else ())
        door = real.Real(lab, real.real_plan_text(lab)) if options.real else (
            deployment.Front(lab, deployment.plan_text(lab, manager)))
        door.set_up(say)
        if options.real:
            say(real.versions(lab))
            door.use(say)
            door.try_each(say)
        measured = Door(door, say)
        try:
            whole = measured.run(cases, options.repeat, options.rate)
        except LabError as error:  # what was measured so far counts
            say("%s: %s" % (manager, error))
            whole = False
        if options.keep and sys.stdin.isatty():
            input("lab %s stays until you press Enter " % lab.name)
        return whole, measured.results


def newest_deb():
    """Our package as it was last made. LabError if there is none."""
    found = glob.glob(os.path.join(ROOT, "build", "*.deb"))
    if not found:
        raise LabError("there is no package in build/; make one with `make deb`")
    return max(found, key=os.path.getmtime)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
