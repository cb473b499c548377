# SPDX-License-Identifier: Apache-2.0
"""Each fault once on the real services under Pacemaker, all of them hit at the same time, with clients that call all the time.

    scripts/faults --service openstack [--name LAB] [--only TEXT] [--use] [--consoleauth] [--output DIR]

Per fault and service: after how long the cluster knew (a monitor that is not ok, or a decision of the scheduler, by the
journals), and what a client felt. Ten times a second what runs where is read from the kernel: a service on two nodes is an
error, for whatever reason. After each fault a volume that was made before the first one is managed through the API, and in
the end a console is opened with a token. Ends with 0 only if nothing was wrong.
"""

import argparse
import json
import os
import signal
import sys
import time

from lab import LabError, faults, galera, openstack, openstack_console, openstack_layer, rabbitmq, state
from lab.cluster import Lab
from lab.openstack_client import Callers, felt
from lab.openstack_watch import Watch

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIMIT = 300.0   # seconds until all is well again
CALM = 4.0      # seconds of answers only that count as well
HELD = 75.0     # seconds that a fault lasts which does not end by itself; more than the interval of a level 20


class Scene:
    """One fault: the lab, the watch, the node where the services are."""

    def __init__(self, lab, watch, services):
        self.lab, self.watch, self.services = lab, watch, services
        self.node, self.stopped = openstack.where(lab)["cinder-volume"], ()

    def parents(self):
        """service: pid of its first process."""
        found = {}
        for name in self.services:
            there = self.watch.processes(self.node, name)
            found[name] = next(pid for pid, parent in there.items() if parent not in there)
        return found

    def children(self):
        """service: pid of one of its workers, of those that have some."""
        found = {}
        for name in self.services:
            there = self.watch.processes(self.node, name)
            mine = [pid for pid, parent in there.items() if parent in there]
            if mine:
                found[name] = mine[0]
        return found


    def stop(self, pids):
        """SIGSTOP; the fault is over once none of them is there any more."""
        signal_all(pids, signal.SIGSTOP)
        self.stopped = tuple((pid, state.process_start(pid)) for pid in pids.values())

    def over(self):
        """Whether what was stopped is gone."""
        return not any(start is not None and state.process_start(pid) == start for pid, start in self.stopped)


def signal_all(pids, number):
    for pid in pids.values():
        os.kill(pid, number)


def child_killed(scene):
    signal_all(scene.children(), signal.SIGKILL)


def parent_killed(scene):
    signal_all(scene.parents(), signal.SIGKILL)


def child_stopped(scene):
    scene.stop(scene.children())


def parent_stopped(scene):
    scene.stop(scene.parents())


def brokers_killed(scene):
    for node in scene.lab.node_names:
        faults.kill(scene.lab, node, "beam.smp")


def broker_cut_off(scene):
    """The services' node reaches no broker, not even its own; frames vanish."""
    scene.lab.check(scene.node, "nft add table inet fault; nft 'add chain inet fault out { type filter hook output priority 0; }'; "
                                "nft add rule inet fault out tcp dport 5672 drop; nft add rule inet fault out tcp sport 5672 drop")
    try:
        time.sleep(HELD)
    finally:
        scene.lab.check(scene.node, "nft delete table inet fault")


def database_killed(scene):
    for node in scene.lab.node_names:
        faults.kill(scene.lab, node, "mariadbd")


def database_hung(scene):
    """The way to the database takes connections and says nothing: HAProxy with the VIP is stopped."""
    node = openstack.where(scene.lab)["vip"]
    scene.lab.check(scene.lab.node_names[0], ["pcs", "resource", "unmanage", "haproxy"])
    faults.stop(scene.lab, node, "haproxy")
    try:
        time.sleep(HELD)
    finally:
        faults.cont(scene.lab, node, "haproxy")
        scene.lab.check(scene.lab.node_names[0], ["pcs", "resource", "manage", "haproxy"])


def power_cut(scene):
    scene.lab.power_cut(scene.node)


def planned_move(scene):
    """Standby, until the end of the scene."""
    scene.lab.check(openstack.api_node(scene.lab), ["pcs", "node", "standby", scene.node])


FAULTS = (("SIGKILL of a child", child_killed), ("SIGKILL of the parent", parent_killed), ("SIGSTOP of a child", child_stopped),
          ("SIGSTOP of the parent", parent_stopped), ("planned move", planned_move), ("power cut", power_cut),
          ("all brokers killed", brokers_killed), ("brokers cut off for %d s" % HELD, broker_cut_off),
          ("database hung for %d s" % HELD, database_hung), ("all databases killed", database_killed))


def known_after(lab, services, since):
    """{service: (seconds, words)} of the first sign in the journals that the cluster knew."""
    found = {}
    for node in lab.node_names:
        try:
            text = lab.run(node, "journalctl --no-pager -o short-unix --since @%d -t pacemaker-controld -t pacemaker-schedulerd | "
                                 "grep -E 'Result of monitor|Actions: '" % since, 30).out
        except LabError:
            continue
        for line in text.splitlines():
            stamp, _, rest = line.partition(" ")
            for name in services:
                sign = ("Result of monitor operation for %s " % name in rest and not rest.endswith(": ok")
                        or "Actions: " in rest and name in rest.split())
                if sign and float(stamp) >= since and (name not in found or float(stamp) - since < found[name][0]):
                    found[name] = (float(stamp) - since, rest.partition(": ")[2].strip()[:200])
    return found


class Campaign:
    """The lab under test, its clients, what was found."""

    def __init__(self, lab, say, output):
        self.lab, self.say, self.output = lab, say, output
        self.services = openstack.RESOURCES + (("nova-consoleauth",) if openstack.has_consoleauth(lab) else ())
        self.watch, self.callers = Watch(lab, self.services), Callers(lab, self.services)
        self.user, self.rounds, self.mistakes = openstack.rest(lab), [], []
        self.volume = self.user.create_volume("made before the first fault")
        self.user.await_volume(self.volume, "available", LIMIT)

    def well(self):
        """Whether all is started on one node, whole, and every client has had nothing but answers for a while."""
        if not galera.synced(self.lab) or len(rabbitmq.serving(self.lab)) < len(self.lab.nodes):
            return False  # or the next fault would be a second one
        at = openstack.where(self.lab)
        if not set(self.services) <= set(at) or any(at[name] not in self.watch.now().get(name, {}) for name in self.services):
            return False
        since = time.time() - CALM
        for name in self.services:
            seen = felt(self.callers.calls(name), since)
            if seen.failed or not seen.whole:
                return False
        return True

    def await_well(self, limit=LIMIT, over=lambda: True):
        """Seconds until well and `over`, None: not within the limit."""
        began = time.monotonic()
        while time.monotonic() - began < limit:
            if over() and self.well():
                return time.monotonic() - began
            time.sleep(2.0)
        return None

    def one(self, name, inject):
        """Inject a fault; what came of it, a dict."""
        scene = Scene(self.lab, self.watch, self.services)
        doubles, began = len(self.watch.doubles), time.time()
        inject(scene)
        time.sleep(1.0)
        took, mistakes = self.await_well(over=scene.over), []
        ended = time.time()
        if took is None:
            mistakes.append("not well after %d s: %s" % (LIMIT, openstack.where(self.lab)))
        signs = known_after(self.lab, self.services, began)
        done = {"fault": name, "node": scene.node, "seconds": ended - began, "services": {}}
        for service in self.services:
            seen = felt(self.callers.calls(service), began)
            done["services"][service] = dict(seen._asdict(), known=signs.get(service), now=openstack.where(self.lab).get(service),
                                             replaced=self._replaced(service, began))
        if len(self.watch.doubles) > doubles:
            mistakes.append("on two nodes at once: %s" % self.watch.doubles[doubles:][:3])
        if inject is planned_move:
            self.lab.check(openstack.api_node(self.lab), ["pcs", "node", "unstandby", scene.node])
        if inject is power_cut:
            self.lab.wait_online(timeout=LIMIT)
        try:
            self._manage()
        except LabError as error:
            mistakes.append("the volume made before: %s" % error)
        self.lab.run(openstack.api_node(self.lab), ["pcs", "resource", "cleanup"], 60)
        if self.await_well() is None:
            mistakes.append("not well after pcs resource cleanup: %s" % openstack.where(self.lab))
        return self._note(done, mistakes)

    def _replaced(self, service, since):
        """Seconds from `since` until its processes were gone, and until they were as many as before again; None: never."""
        before = [picture.get(service, {}) for at, picture in self.watch.changes if at < since][-1:]
        wanted = sum(before[0].values()) if before else 0
        gone = back = None
        for at, picture in self.watch.changes:
            number = sum(picture.get(service, {}).values())
            if at >= since and gone is None and number == 0:
                gone = at - since
            if at >= since and gone is not None and back is None and number >= wanted:
                back = at - since
        return [gone, back]

    def _manage(self):
        """A snapshot of the volume that was made before the first fault, and its end."""
        snapshot = self.user.login() and self.user.snapshot(self.volume)
        self.user.await_volume(snapshot, "available", 60, "snapshot")
        self.user.delete_snapshot(snapshot)
        self.user.await_volume(snapshot, None, 60, "snapshot")

    def _note(self, done, mistakes):
        self.mistakes += ["%s: %s" % (done["fault"], text) for text in mistakes]
        self.rounds.append(dict(done, mistakes=mistakes))
        with open(os.path.join(self.output, "rounds.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(self.rounds[-1]) + "\n")
        self.say("%s: %s%s" % (done["fault"], "; ".join(
            "%s %s" % (service, sentence(seen)) for service, seen in done["services"].items()),
            "".join("\n   WRONG: " + text for text in mistakes)))
        return self.rounds[-1]

    def console(self):
        """Open a console with a token through whichever node serves; what the screen calls itself."""
        far = openstack_console.far_end(self.lab)
        try:
            address = self.lab.address(openstack.where(self.lab)["nova-novncproxy"])
            return openstack.in_network(self.lab, lambda: openstack_console.greet(address, far.token))
        finally:
            far.close()

    def close(self):
        self.callers.close()
        self.watch.close()


def sentence(seen):
    """What one client felt, for people."""
    known = "known after %.1f s" % seen["known"][0] if seen["known"] else "the cluster was not concerned"
    if not seen["failed"]:
        return "%s, no call failed, longest silence %.1f s" % (known, seen["silence"])
    return "%s, %d of %d calls failed, answers again after %s" % (
        known, seen["failed"], seen["calls"], "%.1f s" % seen["last"] if seen["last"] is not None else "never")


def table(rounds):
    """Markdown lines."""
    lines = ["| fault | service | the cluster knew after | its client: failed calls | longest silence | answers again after | node |",
             "|---|---|---|---|---|---|---|"]
    for done in rounds:
        for service, seen in done["services"].items():
            lines.append("| %s | %s | %s | %d of %d | %.1f s | %s | %s |" % (
                done["fault"], service, "%.1f s" % seen["known"][0] if seen["known"] else "-", seen["failed"], seen["calls"],
                seen["silence"], "%.1f s" % seen["last"] if seen["last"] is not None else "-",
                done["node"] if seen["now"] == done["node"] else "%s to %s" % (done["node"], seen["now"])))
    return lines


def main(argv):
    parser = argparse.ArgumentParser(prog="scripts/faults --service openstack", description=__doc__.splitlines()[0])
    parser.add_argument("--service", choices=("openstack",), help="how scripts/faults chooses this campaign")
    parser.add_argument("--name", default="faults", help="of the lab")
    parser.add_argument("--use", action="store_true", help="a lab that is there already and has the services under Pacemaker")
    parser.add_argument("--only", default="", help="only faults with this in their name; several: A|B")
    parser.add_argument("--consoleauth", action="store_true", help="also nova-consoleauth 19.3.2")
    parser.add_argument("--deb", default=os.path.join(HERE, "build", "quorate_0.1.0_all.deb"))
    parser.add_argument("--output", default=os.path.join(HERE, "build", "faults-openstack"))
    options = parser.parse_args(argv)
    say = lambda text: print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    os.makedirs(options.output, exist_ok=True)
    try:
        if options.use:
            return run(Lab(options.name), options, say)
        with Lab(options.name) as lab:
            lab.up(deb=options.deb, say=say,
                   layers=openstack_layer.ensure("consoleauth" if options.consoleauth else "services", say))
            openstack.prepare(lab, say)
            openstack.create(lab, say)
            return run(lab, options, say)
    except LabError as error:
        sys.stderr.write("faults: %s\n" % error)
        return 2


def run(lab, options, say):
    """The chosen faults in their order; 0: nothing was wrong."""
    lab.check(lab.node_names[0], ["pcs", "resource", "defaults", "update", "resource-stickiness=1000"])
    campaign = Campaign(lab, say, options.output)
    try:
        if campaign.await_well() is None:
            raise LabError("the services are not well to begin with: %s" % openstack.where(lab))
        for name, inject in FAULTS:
            if any(part in name for part in options.only.split("|")):
                campaign.one(name, inject)
        try:
            say("a console opened with a token: %r" % campaign.console())
        except LabError as error:
            campaign.mistakes.append("console: %s" % error)
    except KeyboardInterrupt:
        say("interrupted; what was found so far:")
    finally:
        campaign.close()
    text = "\n".join(table(campaign.rounds) + ["", "%d samples, longest pause %.2f s; on two nodes at once: %d times" % (
        campaign.watch.samples, campaign.watch.slowest, len(campaign.watch.doubles))] + campaign.mistakes) + "\n"
    with open(os.path.join(options.output, "report.md"), "w", encoding="utf-8") as file:
        file.write(text)
    print(text)
    return 1 if campaign.mistakes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
