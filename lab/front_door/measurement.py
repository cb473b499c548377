# SPDX-License-Identifier: Apache-2.0
"""What a case of the front door costs clients: they connect to every listener all the time, and each attempt is
counted."""

import statistics
import time
from typing import NamedTuple

from lab.front_door import cases

BACK = 120.0   # most seconds until clients are well again


class Impact(NamedTuple):
    """What a case cost the clients. failed, attempts: numbers; out: longest seconds without a success at one listener;
    listeners: how many had a failure; slowest: seconds of the slowest attempt that succeeded; moved: who had the VIP
    and who has it; seconds: how long the clients were watched."""

    failed: int
    attempts: int
    listeners: int
    out: float
    slowest: float
    errors: dict
    moved: str
    seconds: float


def impact(attempts, begin, end, moved):
    """The Impact of attempts (name, began, took, outcome) that began between `begin` and `end`."""
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
    return Impact(sum(errors.values()), len(attempts), hit, round(out, 2), round(slowest, 2), errors, moved,
                round(end - begin, 2))


class Measurement:
    """Cases on one front door. results: (manager of the VIPs, case, run, Impact, begin, attempts) of each."""

    def __init__(self, front, say):
        self.front, self.say, self.results = front, say, []

    def run(self, chosen, repeat, rate):
        """The chosen cases, one after the other. Returns whether clients were well again after each."""
        fine = True
        with self.front.clients(rate) as clients:
            for case in chosen:
                for number in range(1, repeat + 1):
                    fine = self.one(case, number, clients) and fine
        return fine

    def wait_quiet(self, clients):
        """Wait until each VIP is on one node, every HAProxy sees every server, and clients are well."""
        end = time.monotonic() + self.front.rest
        while time.monotonic() < end:
            holders = self.front.holders()
            if (len(holders) == len(self.front.plan.vips) and not any("," in one for one in holders.values())
                    and clients.well() and self.front.all_up()):
                return True
            time.sleep(0.5)
        return False

    def one(self, case, number, clients):
        """Run a case for the `number`-th time; whether clients were well again."""
        if not self.wait_quiet(clients):
            self.say("not all was well before: %s; the VIPs are on %s" % (case.name, self.front.holders()))
            return False
        holder = self.front.holders()["internal"]
        held = [vip.name for vip in self.front.plan.vips if self.front.holders().get(vip.name) == holder]
        begin = time.monotonic()
        case.inject(self.front, holder)
        back = self._wait_well(clients)
        if case.inject is cases.kill_instance and self.front.returns:
            # Clients must be well while the instance starts, and when it is up.
            back = self._wait_back(clients) and back
        end = time.monotonic()
        moved = self.front.holders().get("internal", "nowhere")
        names = {place.partition("=")[0] for place in self.front.places()
                 if any(place.partition("=")[2].startswith(self.front.plan.vip(vip).address + ":") for vip in held)}
        attempts = [one for one in clients.between(begin, end) if not case.through_holder or one[0] in names]
        result = impact(attempts, begin, end, "%s -> %s" % (holder, moved))
        self.results.append((self.front.plan.vip_manager, case.name, number, result, begin, attempts))
        self.say("%-10s %-36s %d: %d of %d failed at %d listeners, out for %.2f s, slowest %.2f s, VIP %s %s" % (
            self.front.plan.vip_manager, case.name, number, result.failed, result.attempts, result.listeners,
            result.out,
            result.slowest, result.moved, result.errors or ""))
        case.fix(self.front, holder)
        if not back:
            self.say("clients were not well again after %.0f s" % BACK)
        return back

    def _wait_back(self, clients):
        """Wait until all servers are up again and clients are well."""
        end = time.monotonic() + self.front.rest
        while time.monotonic() < end:
            if self.front.all_up() and clients.well():
                return True
            time.sleep(1)
        return False

    def _wait_well(self, clients):
        """Wait until clients were well for three seconds (three attempts), at least six after the fault: a hang shows
        only later."""
        begin = time.monotonic()
        while time.monotonic() - begin < BACK:
            time.sleep(0.25)
            if time.monotonic() - begin > 6 and clients.well():
                return True
        return False


def table(results):
    """The figures of each case as a table in Markdown: medians, and the worst in brackets."""
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
    """The figures of each listener and case: failed of attempts, and the longest time without a success."""
    columns = list(dict.fromkeys(name for _, name, *_ in results))
    names = sorted({one[0] for *_, attempts in results for one in attempts})
    lines = ["| listener | %s |" % " | ".join(columns), "|---" * (len(columns) + 1) + "|"]
    for name in names:
        row = []
        for case in columns:
            found = []
            for _, what, _, result, begin, attempts in results:
                own = [one for one in attempts if one[0] == name]
                if what == case and own:
                    found.append(impact(own, begin, begin + result.seconds, ""))
            row.append("%d of %d, %.1f s" % (sum(one.failed for one in found), sum(one.attempts for one in found),
                                             max(one.out for one in found)) if found else "-")
        lines.append("| %s | %s |" % (name, " | ".join(row)))
    return "\n".join(lines) + "\n"
