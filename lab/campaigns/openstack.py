# SPDX-License-Identifier: Apache-2.0
"""Each fault once on the real OpenStack services under Pacemaker, on all of them at the same time, with clients.

    scripts/faults --service openstack [--name LAB] [--only TEXT] [--use] [--consoleauth] [--output DIR]

It reports for each fault and service: after how long the cluster knew (a monitor that is not ok, or a decision of the
scheduler, from the journals), by which signal, and what it cost a client. A fault that the expected signal did not
notice is an error. Ten times a second it reads from the kernel which service runs where: one on two nodes is an error,
for whatever reason. After each fault it manages through the API a volume that was made before the first fault, and
opens a console with a token that was made before the first fault. Ends with 0 only if nothing was wrong.
"""

import argparse
import json
import os
import signal
import sys
import time

from lab import ROOT, LabError
from lab.campaigns import signals
from lab.faults.openstack import CERTAIN, EXPECTED, FAULTS, Scene, planned_move
from lab.images import openstack
from lab.machines import inside
from lab.machines.cluster import Lab
from lab.services import galera, rabbitmq
from lab.services.openstack import console, deployment
from lab.services.openstack.client import Callers, impact
from lab.services.openstack.watch import Watch

LIMIT = 300.0   # seconds until all is well again
CALM = 4.0      # seconds in which every call was answered, after which clients are well
CONSOLE = 60.0  # seconds within which a console has to open


class Campaign:
    """The lab under test, its clients, what was found."""

    def __init__(self, lab, say, output):
        self.lab, self.say, self.output = lab, say, output
        self.services = deployment.RESOURCES + (("nova-consoleauth",) if deployment.has_consoleauth(lab) else ())
        self.watch, self.callers = Watch(lab, self.services), Callers(lab, self.services)
        self.user, self.rounds, self.mistakes, self.standby = deployment.rest(lab), [], [], ()
        self.volume = self.user.create_volume("made before the first fault")
        self.user.await_volume(self.volume, "available", LIMIT)
        self.far = console.far_end(lab)

    def well(self):
        """Whether every service is started on one node, database and broker are whole, and for a while all calls were
        answered."""
        nodes = [name for name in self.lab.node_names if name not in self.standby]
        if not galera.synced(self.lab, nodes) or not set(nodes) <= set(rabbitmq.serving(self.lab)):
            return False  # the next fault must not come on top of this one
        at = deployment.where(self.lab)
        if not set(self.services) <= set(at) or any(at[name] not in self.watch.now().get(name, {})
                                                    for name in self.services):
            return False
        since = time.time() - CALM
        for name in self.services:
            recent = impact(self.callers.calls(name), since)
            if recent.failed or not recent.whole:
                return False
        return True

    def await_well(self, limit=LIMIT, over=lambda: True):
        """Seconds until all is well and over() is true; None: not within the limit."""
        began = time.monotonic()
        while time.monotonic() - began < limit:
            if over() and self.well():
                return time.monotonic() - began
            time.sleep(2.0)
        return None

    def one(self, name, inject):
        """Inject a fault; its round, a dict."""
        scene, mistakes = Scene(self.lab, self.watch, self.services), []
        doubles, began, self.standby = len(self.watch.doubles), time.time(), (scene.node,
                                                                              ) if inject is planned_move else ()
        try:
            inject(scene)
        except LabError as error:
            mistakes.append(str(error))
        time.sleep(1.0)
        if self.await_well(over=scene.over) is None:
            mistakes.append("not well after %d s: %s" % (LIMIT, deployment.where(self.lab)))
        done = self._reported(name, inject, scene, began, mistakes)
        done["doubles"] = len(self.watch.doubles) - doubles
        if done["doubles"]:
            mistakes.append("on two nodes at once: %s" % self.watch.doubles[doubles:][:3])
        if inject is planned_move:
            self.lab.check(deployment.api_node(self.lab), ["pcs", "node", "unstandby", scene.node])
            self.standby = ()
        for what, act in (("the nodes", lambda: self.lab.wait_online(timeout=LIMIT)),
                          ("the volume made before", self._manage),
                          ("the console made before", self.console)):
            try:
                act()
            except LabError as error:
                mistakes.append("%s: %s" % (what, error))
        self.lab.run(deployment.api_node(self.lab), ["pcs", "resource", "cleanup"], 60)
        if self.await_well(over=self._clean) is None:
            mistakes.append("not well after pcs resource cleanup: %s" % deployment.where(self.lab))
        return self._record(done, mistakes)

    def _reported(self, name, inject, scene, began, mistakes):
        """What cluster and clients reported of a fault, a dict. Adds to `mistakes` the services whose signal did not
        notice it."""
        ended, found = time.time(), signals.journal(self.lab, self.services, began)
        expected = EXPECTED.get(inject)
        if expected and (scene.lasted is None or scene.lasted >= CERTAIN.get(expected[0], 0.0)):
            mistakes += signals.blind(expected, found, self.services)
        done = {"fault": name, "node": scene.node, "seconds": ended - began, "lasted": scene.lasted, "services": {}}
        for service in self.services:
            known = signals.first(found, service)
            done["services"][service] = dict(
                impact(self.callers.calls(service), began)._asdict(), now=deployment.where(self.lab).get(service),
                known=known and [known.seconds, known.text, known.by], signals=signals.by_signal(found, service),
                replaced=self._replaced(service, began))
        return done

    def _clean(self):
        """Whether no failed monitor is left: Pacemaker does not report an unchanged result a second time."""
        status = self.lab.cluster_xml()
        return status is not None and not [one for one in status.iter("failure")
                                           if one.get("op_key", "").startswith(self.services)]

    def _replaced(self, service, since):
        """[seconds from `since` until its processes were gone, seconds until there were as many as before again]; None:
        never."""
        before = [sample.get(service, {}) for at, sample in self.watch.changes if at < since][-1:]
        wanted = sum(before[0].values()) if before else 0
        gone = back = None
        for at, sample in self.watch.changes:
            number = sum(sample.get(service, {}).values())
            if at >= since and gone is None and number == 0:
                gone = at - since
            if at >= since and gone is not None and back is None and number >= wanted:
                back = at - since
        return [gone, back]

    def _manage(self):
        """Make and delete a snapshot of the volume that was made before the first fault."""
        snapshot = self.user.login() and self.user.snapshot(self.volume)
        self.user.await_volume(snapshot, "available", 60, "snapshot")
        self.user.delete_snapshot(snapshot)
        self.user.await_volume(snapshot, None, 60, "snapshot")

    def _record(self, done, mistakes):
        self.mistakes += ["%s: %s" % (done["fault"], text) for text in mistakes]
        self.rounds.append(dict(done, mistakes=mistakes))
        with open(os.path.join(self.output, "rounds.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(self.rounds[-1]) + "\n")
        self.say("%s: %s%s" % (done["fault"], "; ".join(
            "%s %s" % (service, signals.sentence(one)) for service, one in done["services"].items()),
            "".join("\n   WRONG: " + text for text in mistakes)))
        return self.rounds[-1]

    def console(self):
        """Open the console whose token was made before the first fault, through the node of the proxy; the screen's
        name."""
        end = time.monotonic() + CONSOLE
        while True:
            try:
                address = self.lab.address(deployment.where(self.lab).get("nova-novncproxy") or self.lab.node_names[0])
                return inside.in_network(self.lab, lambda: console.greet(address, self.far.token))
            except (LabError, OSError) as error:
                if time.monotonic() > end:
                    raise LabError("no console after %d s: %s" % (CONSOLE, error)) from None
            time.sleep(2.0)

    def close(self):
        self.far.close()
        self.callers.close()
        self.watch.close()


def versions(lab):
    """What was tested, in one line."""
    return lab.run(lab.node_names[0],
                   "dpkg-query -W -f '${Package} ${Version}, ' quorate pacemaker corosync mariadb-server galera-4 "
                   "rabbitmq-server cinder-volume heat-engine nova-consoleproxy; cat /etc/debian_version").out.strip()


def main(argv):
    parser = argparse.ArgumentParser(prog="scripts/faults --service openstack", description=__doc__.splitlines()[0])
    parser.add_argument("--service", choices=("openstack",), help="which campaign scripts/faults runs")
    parser.add_argument("--name", default="faults", help="of the lab")
    parser.add_argument("--use", action="store_true", help="use an existing lab that has the services under Pacemaker")
    parser.add_argument("--only", default="", help="only faults with this in their name; several: A|B")
    parser.add_argument("--consoleauth", action="store_true", help="also nova-consoleauth 19.3.2")
    parser.add_argument("--deb", default=os.path.join(ROOT, "build", "quorate_0.1.0_all.deb"))
    parser.add_argument("--output", default=os.path.join(ROOT, "build", "faults-openstack"))
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
                   layers=openstack.ensure("consoleauth" if options.consoleauth else "services", say))
            deployment.prepare(lab, say)
            deployment.create(lab, say)
            return run(lab, options, say)
    except LabError as error:
        sys.stderr.write("faults: %s\n" % error)
        return 2


def run(lab, options, say):
    """The chosen faults in their order; 0: nothing was wrong."""
    campaign, tested = Campaign(lab, say, options.output), versions(lab)
    try:
        if campaign.await_well() is None:
            raise LabError("the services are not well before the first fault: %s" % deployment.where(lab))
        for name, inject in FAULTS:
            if any(part in name for part in options.only.split("|")):
                campaign.one(name, inject)
    except KeyboardInterrupt:
        say("interrupted; results so far:")
    finally:
        campaign.close()
    text = "\n".join([tested, ""] + signals.table(campaign.rounds)
                     + ["", "%d samples, longest pause %.2f s; on two nodes at once: %d times" % (
        campaign.watch.samples, campaign.watch.slowest, len(campaign.watch.doubles))] + campaign.mistakes) + "\n"
    with open(os.path.join(options.output, "report.md"), "w", encoding="utf-8") as file:
        file.write(text)
    print(text)
    return 1 if campaign.mistakes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
