# SPDX-License-Identifier: Apache-2.0
"""The demo: a real three-node cluster, Galera behind HAProxy, failures and recoveries, watched live.

    scripts/demo [--suite bookworm|trixie] [--keep] [--deb PATH]

Writes what it shows to build/demo.log as well. Ends with 0 when every acknowledged write is on every node.
"""

import argparse
import os
import signal
import subprocess
import sys
import time

from lab import ROOT, LabError, state
from lab.machines import cluster, requirements
from lab.services import galera, haproxy

MARKS = {"non-primary": "no-prim", "off": "OFF"}  # states that are shown by another word


class Show:
    """Lines for the terminal and the log, with the time since the beginning."""

    def __init__(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._log = open(path, "w", encoding="utf-8")
        self._began = time.monotonic()

    def __call__(self, text=""):
        line = "%6.1f  %s" % (time.monotonic() - self._began, text) if text else ""
        print(line, flush=True)
        self._log.write(line + "\n")
        self._log.flush()

    def title(self, text):
        self()
        self("== %s" % text)


class Demo:
    """One run on one lab."""

    def __init__(self, lab, show):
        self.lab, self.show, self.client, self.felt = lab, show, None, []
        self._last = (0, time.monotonic())

    def line(self):
        """Who is up, and what the client feels, in one line."""
        nodes = galera.ask_all(self.lab)
        sessions = [(server.sessions, name) for name, server in nodes.items() if server.sessions]
        writer = max(sessions)[1] if sessions else "-"
        vip = next((name for name, server in nodes.items() if server.vip), "-")
        felt = self.client.figures()
        cells = "  ".join("%s %-8s" % (name, MARKS.get(server.state, server.state)) for name, server in nodes.items())
        self.show("   %s  VIP %-2s  writes to %-2s %4.0f/s%s" % (cells, vip, writer, self.rate(felt.get("acked", 0)),
                                                            _trouble(felt)))
        return nodes

    def rate(self, acked):
        """Acknowledged writes a second since the last line."""
        (before, then), now = self._last, time.monotonic()
        self._last = (acked, now)
        return max(0, acked - before) / max(0.1, now - then)

    def watch(self, done, limit, least=3.0):
        """A line a second until `done(nodes)`, at least `least` seconds. LabError when it takes longer than `limit`."""
        began = time.monotonic()
        while True:
            turn = time.monotonic()
            nodes = self.line()
            past = time.monotonic() - began
            if past >= least and done(nodes):
                return past
            if past > limit:
                raise LabError("not well again after %.0f s; look with: lab/lab run --name %s n1 quorate explain" % (
                    limit, self.lab.name))
            time.sleep(max(0.0, 1.0 - (time.monotonic() - turn)))

    def whole(self, nodes):
        """All synced in one primary component, and the client writes."""
        return (all(server.state == "synced" and server.size == len(nodes) for server in nodes.values())
                and self.client.figures().get("stalled_now", 9) < 1)

    def scene(self, title, act, limit=120, least=5.0):
        """Do something bad, watch the recovery, tell what the client felt."""
        self.show.title(title)
        self.client.scene()
        act()
        try:
            took = self.watch(self.whole, limit, least)
            self.show("   all nodes synced and the client writing after %.0f s" % took)
        finally:
            felt = self.client.scene()
            self.felt.append((title, felt))
            self.show("   the client: %d writes acknowledged, %d failed, %d unknown, longest stall %.1f s" % (
                felt["acked"], felt["failed"], felt["unknown"], felt["longest_stall"]))

    def vip_holder(self):
        """The node that has the virtual address, else the one that is written to."""
        return next((name for name, server in galera.ask_all(self.lab).items() if server.vip), None) or self.writer()

    def writer(self):
        """The node that HAProxy writes to."""
        return galera.writer_node(self.lab) or self.lab.node_names[0]

    def set_up(self):
        """Resources, HAProxy, the client."""
        self.show.title("Galera: one pcs command")
        galera.prepare(self.lab)
        galera.create(self.lab, say=lambda text: self.show("   # " + text))
        self.show("   all three nodes synced after %.0f s" % galera.wait_synced(self.lab))
        galera.users(self.lab)
        self.show.title("HAProxy on every node, a virtual address, the check on port 9200")
        haproxy.set_up(self.lab, say=lambda text: self.show("   # " + text))

    def play(self):
        """All scenes. Returns the rows that are missing, by node."""
        lab = self.lab
        with galera.Client(lab) as self.client:
            self.show.title("A client writes through %s:3306 all the time" % lab.vip)
            self.watch(self.whole, 60)
            first = self.writer()
            self.scene("kill -9 of the database on %s, the node that is written to" % first,
                       lambda: lab.run(first, ["pkill", "-KILL", "-x", "mariadbd"]))
            planned = self.writer()
            self.scene("planned stop of the database on %s (drained first), and back" % planned,
                       lambda: self.move(planned))
            second = self.vip_holder()
            self.scene("power cut of %s, which has the virtual address" % second,
                       lambda: lab.power_cut(second), least=12)
            self.scene("power cut of all three", self.all_off, limit=180, least=12)
            self.client.stop()
            self.show.title("Every acknowledged write, looked for on every node")
            galera.wait_synced(lab)
            return galera.verify(lab, self.client.record)

    def move(self, node):
        clone = galera.RESOURCE + "-clone"
        for argv in (["pcs", "resource", "ban", clone, node, "--wait=60"], ["pcs", "resource", "clear", clone, node]):
            self.show("   # " + " ".join(argv))
            self.lab.check(self.lab.node_names[0], argv, 90)
            self.line()

    def all_off(self):
        self.lab.power_cut(*self.lab.node_names, stay_off=True)
        self.line()
        self.lab.power_on()

    def summary(self, missing):
        """The table of what the client felt. Returns the exit code."""
        self.show.title("What the client felt")
        for title, felt in self.felt:
            self.show("   %-68s failed %d, unknown %d, longest stall %.1f s" % (
                title, felt["failed"], felt["unknown"], felt["longest_stall"]))
        owed = len(galera.acknowledged(self.client.record))
        for node, rows in sorted(missing.items()):
            self.show("   %s has %d of %d acknowledged writes%s" % (
                node, owed - len(rows), owed, "" if not rows else ", MISSING: " + " ".join(rows[:5])))
        return 1 if any(missing.values()) else 0


def _trouble(felt):
    """What of the client's figures is not as it should be, within the scene."""
    scene = felt.get("scene", {})
    words = ["%d %s" % (scene[name], name) for name in ("failed", "unknown") if scene.get(name)]
    if felt.get("stalled_now", 0) >= 1:
        words.append("no answer for %.0f s" % felt["stalled_now"])
    return "  " + ", ".join(words) if words else ""


def package():
    """The package that `make deb` builds of this tree."""
    from quorate import __version__
    return os.path.join(ROOT, "build", "quorate_%s_all.deb" % __version__)


def main():
    """Entry of scripts/demo."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--suite", choices=("bookworm", "trixie"), default="bookworm")
    parser.add_argument("--name", default="demo", help="name of the lab")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running at the end, to look around")
    parser.add_argument("--alone", action="store_true", help="show what one machine can, without a cluster")
    parser.add_argument("--deb", default=package(), help="package to install in the nodes (empty: none)")
    parser.add_argument("--log", default=os.path.join(ROOT, "build", "demo.log"), help="file for what is shown")
    options = parser.parse_args()
    show = Show(os.path.abspath(options.log))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if not options.alone:
            try:
                requirements.check_able()
            except LabError as reason:
                show("No cluster can run on this machine: %s. What follows is one Galera node." % reason)
                options.alone = True
        if options.alone:
            if subprocess.call([os.path.join(ROOT, "scripts", "setup"), "alone"]) != 0:
                return 1
            from lab.demo import alone  # only now: it looks for what has just been installed
            return alone.play(show)
        return play(options, show)
    except LabError as error:
        show("lab: %s" % error)
        return 1
    except KeyboardInterrupt:
        show("interrupted: what the demo made is removed")
        return 130


def play(options, show):
    """The demo on a lab of its own, which is gone at the end. Returns the exit code.

    With --keep the lab stays, also when something failed, to look at; Ctrl-C removes it even then.
    """
    lab = cluster.Lab(options.name)
    if not options.keep:
        with lab:
            return perform(lab, options, show)
    if state.read(lab.name) is not None:
        raise LabError("lab %s exists already; lab/lab destroy --name %s removes it" % (lab.name, lab.name))
    try:
        return perform(lab, options, show)
    except (KeyboardInterrupt, SystemExit):
        lab.destroy()
        raise
    finally:
        if state.read(lab.name) is not None:
            show()
            show("The cluster stays: lab/lab status --name %s, lab/lab shell --name %s n1, lab/lab destroy --name %s"
                 % ((lab.name,) * 3))


def perform(lab, options, show):
    """Build the lab, play all scenes, sum up. Returns the exit code."""
    show.title("Three Debian machines (%s) with Pacemaker, fencing on" % options.suite)
    lab.up(options.suite, deb=options.deb, say=lambda text: show("   " + text))
    demo = Demo(lab, show)
    demo.set_up()
    return demo.summary(demo.play())


if __name__ == "__main__":
    sys.exit(main())
