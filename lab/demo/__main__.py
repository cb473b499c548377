# SPDX-License-Identifier: Apache-2.0
"""The demo: a real three-node cluster, Galera behind HAProxy, failures and recoveries, shown live.

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

SHOWN = {"non-primary": "no-prim", "off": "OFF"}  # states that are shown under another name


class Show:
    """Prints lines with the seconds since its start, on the terminal and in the log."""

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
        self.lab, self.show, self.client, self.scenes = lab, show, None, []
        self._last = (0, time.monotonic())

    def line(self):
        """Print a line: the state of each node, and the client's figures."""
        nodes = galera.ask_all(self.lab)
        sessions = [(server.sessions, name) for name, server in nodes.items() if server.sessions]
        writer = max(sessions)[1] if sessions else "-"
        vip = next((name for name, server in nodes.items() if server.vip), "-")
        figures = self.client.figures()
        cells = "  ".join("%s %-8s" % (name, SHOWN.get(server.state, server.state)) for name, server in nodes.items())
        self.show("   %s  VIP %-2s  writes to %-2s %4.0f/s%s" % (cells, vip, writer, self.rate(figures.get("acked", 0)),
                                                                 _problems(figures)))
        return nodes

    def rate(self, acked):
        """Acknowledged writes a second since the last line."""
        (before, then), now = self._last, time.monotonic()
        self._last = (acked, now)
        return max(0, acked - before) / max(0.1, now - then)

    def watch(self, done, limit, least=3.0):
        """Print a line each second until done(nodes), at least `least` seconds; the seconds it took. LabError after
        `limit` seconds."""
        began = time.monotonic()
        while True:
            turn = time.monotonic()
            nodes = self.line()
            past = time.monotonic() - began
            if past >= least and done(nodes):
                return past
            if past > limit:
                raise LabError("not well again after %.0f s; type: lab/lab run --name %s n1 quorate explain" % (
                    limit, self.lab.name))
            time.sleep(max(0.0, 1.0 - (time.monotonic() - turn)))

    def whole(self, nodes):
        """Whether all are synced in one primary component and the client writes."""
        return (all(server.state == "synced" and server.size == len(nodes) for server in nodes.values())
                and self.client.figures().get("stalled_now", 9) < 1)

    def scene(self, title, act, limit=120, least=5.0):
        """Cause a failure, watch the recovery, and report what it cost the client."""
        self.show.title(title)
        self.client.scene()
        act()
        try:
            took = self.watch(self.whole, limit, least)
            self.show("   all nodes synced and the client writing after %.0f s" % took)
        finally:
            figures = self.client.scene()
            self.scenes.append((title, figures))
            self.show("   the client: %d writes acknowledged, %d failed, %d unknown, longest stall %.1f s" % (
                figures["acked"], figures["failed"], figures["unknown"], figures["longest_stall"]))

    def vip_holder(self):
        """The node that has the virtual address, else the one that gets the writes."""
        return next((name for name, server in galera.ask_all(self.lab).items() if server.vip), None) or self.writer()

    def writer(self):
        """The node that gets the writes from HAProxy."""
        return galera.writer_node(self.lab) or self.lab.node_names[0]

    def set_up(self):
        """Create the resources and HAProxy."""
        self.show.title("Galera: one pcs command")
        galera.prepare(self.lab)
        galera.create(self.lab, say=lambda text: self.show("   # " + text))
        self.show("   all three nodes synced after %.0f s" % galera.wait_synced(self.lab))
        galera.users(self.lab)
        self.show.title("HAProxy on every node, a virtual address, the check on port 9200")
        haproxy.set_up(self.lab, say=lambda text: self.show("   # " + text))

    def run(self):
        """Run all scenes; {node: acknowledged rows that it lacks}."""
        lab = self.lab
        with galera.Client(lab) as self.client:
            self.show.title("A client writes through %s:3306 all the time" % lab.vip)
            self.watch(self.whole, 60)
            first = self.writer()
            self.scene("kill -9 of the database on %s, which gets the writes" % first,
                       lambda: lab.run(first, ["pkill", "-KILL", "-x", "mariadbd"]))
            planned = self.writer()
            self.scene("planned stop of the database on %s (drained first), and back" % planned,
                       lambda: self.move(planned))
            second = self.vip_holder()
            self.scene("power cut of %s, which has the virtual address" % second,
                       lambda: lab.power_cut(second), least=12)
            self.scene("power cut of all three", self.all_off, limit=180, least=12)
            self.client.stop()
            self.show.title("Is every acknowledged write on every node?")
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
        """Print what each scene cost the client. Returns the exit code."""
        self.show.title("What each scene cost the client")
        for title, figures in self.scenes:
            self.show("   %-68s failed %d, unknown %d, longest stall %.1f s" % (
                title, figures["failed"], figures["unknown"], figures["longest_stall"]))
        owed = len(galera.acknowledged(self.client.record))
        for node, rows in sorted(missing.items()):
            self.show("   %s has %d of %d acknowledged writes%s" % (
                node, owed - len(rows), owed, "" if not rows else ", MISSING: " + " ".join(rows[:5])))
        return 1 if any(missing.values()) else 0


def _problems(figures):
    """The client's failures in this scene, as a suffix for the line."""
    scene = figures.get("scene", {})
    words = ["%d %s" % (scene[name], name) for name in ("failed", "unknown") if scene.get(name)]
    if figures.get("stalled_now", 0) >= 1:
        words.append("no answer for %.0f s" % figures["stalled_now"])
    return "  " + ", ".join(words) if words else ""


def package():
    """The path of the package that `make deb` builds of this tree."""
    from quorate import __version__
    return os.path.join(ROOT, "build", "quorate_%s_all.deb" % __version__)


def main():
    """Entry of scripts/demo."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.splitlines()[0])
    parser.add_argument("--suite", choices=("bookworm", "trixie"), default="bookworm")
    parser.add_argument("--name", default="demo", help="name of the lab")
    parser.add_argument("--keep", action="store_true", help="keep the cluster at the end")
    parser.add_argument("--alone", action="store_true", help="show what is possible on one machine without a cluster")
    parser.add_argument("--deb", default=package(), help="package to install on the nodes (empty: none)")
    parser.add_argument("--log", default=os.path.join(ROOT, "build", "demo.log"), help="file for a copy of the output")
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
            from lab.demo import alone  # here: at its import it searches for what has just been installed
            return alone.run(show)
        return run(options, show)
    except LabError as error:
        show("lab: %s" % error)
        return 1
    except KeyboardInterrupt:
        show("interrupted: everything that the demo made was removed")
        return 130


def run(options, show):
    """Run the demo on a lab of its own, which is removed at the end. Returns the exit code.

    With --keep the lab is kept, also after a failure; Ctrl-C removes it nevertheless.
    """
    lab = cluster.Lab(options.name)
    if not options.keep:
        with lab:
            return run_on(lab, options, show)
    if state.read(lab.name) is not None:
        raise LabError("lab %s exists already; lab/lab destroy --name %s removes it" % (lab.name, lab.name))
    try:
        return run_on(lab, options, show)
    except (KeyboardInterrupt, SystemExit):
        lab.destroy()
        raise
    finally:
        if state.read(lab.name) is not None:
            show()
            show("The cluster is kept. Type: lab/lab status --name %s, lab/lab shell --name %s n1, lab/lab destroy --name %s"
                 % ((lab.name,) * 3))


def run_on(lab, options, show):
    """Make the lab, run all scenes, print the summary. Returns the exit code."""
    show.title("Three Debian machines (%s) with Pacemaker, fencing on" % options.suite)
    lab.up(options.suite, deb=options.deb, say=lambda text: show("   " + text))
    demo = Demo(lab, show)
    demo.set_up()
    return demo.summary(demo.run())


if __name__ == "__main__":
    sys.exit(main())
