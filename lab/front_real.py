# SPDX-License-Identifier: Apache-2.0
"""Debian's own keystone, cinder and heat behind the front door of a plan: do its checks ask what these services answer?

    python3 -m lab.front_real [LAB]        needs build/quorate_*.deb; makes a lab, prints what HAProxy says, removes it

Each service has to be up in HAProxy's eyes, then down after it was stopped, up again, and down while it hangs; and a user
has to get a token through the VIP.
"""

import json
import sys
import time

from lab import LabError, faults, front_door, names, openstack
from lab.cluster import Lab
from quorate.plan import haproxy
from quorate.plan.read import read

SERVICES = {"keystone_public": "keystone", "cinder_api": "cinder-api", "heat_api": "heat-api"}
CONFIG, SOCKET = "/root/plan.cfg", "/run/plan.sock"


def text_of(lab):
    """haproxy.cfg for n1, with a VIP of its own beside the lab's."""
    api = openstack.api_node(lab)
    lines = ["[plan]", 'name = "real"', "[networks.management]", 'cidr = "%s"' % lab.record["subnet"],
             "[vips.internal]", 'address = "%s"' % names.address(lab.record["subnet"], 101), "[nodes]"]
    lines += ['%s = { roles = ["%s"], addresses = { management = "%s" } }' % (
        node.name, "endpoint" if node.name == "n1" else "controller", node.address) for node in lab.nodes]
    lines += ["[services]", 'galera_cluster = { placement = ["%s"] }' % '", "'.join(lab.node_names)]
    lines += ['%s = { placement = ["%s"] }' % (name, api) for name in SERVICES]
    plan, problems = read("\n".join(lines) + "\n")
    if problems:
        raise LabError("; ".join(one.sentence("plan") for one in problems))
    return haproxy.render(plan).replace(haproxy.SOCKETS["debian"], SOCKET)


def states(lab):
    """dict: (listener, node) -> HAProxy's status and what its last check was."""
    out = lab.run("n1", "echo 'show stat' | socat -t 5 - %s" % SOCKET, 10).out or ""
    rows = [line.split(",") for line in out.splitlines() if "," in line and not line.startswith("#")]
    return {(row[0], row[1]): "%s (%s %s)" % (row[17], row[36], row[37]) for row in rows
            if row[1] not in ("FRONTEND", "BACKEND") and "." not in row[0]}


def main(words):
    began = time.monotonic()

    def say(text):
        print("%7.1f  %s" % (time.monotonic() - began, text), flush=True)

    with Lab(words[0] if words else "front") as lab:
        lab.up(deb=front_door.newest_deb(), layers=openstack.layers(say), say=say)
        openstack.prepare(lab, say)
        vip, api = names.address(lab.record["subnet"], 101), openstack.api_node(lab)
        lab.check("n1", "cat >%s && haproxy -c -q -f %s && ip address add %s/24 dev host0 && "
                        "systemd-run --quiet --unit=plan haproxy -Ws -f %s" % (CONFIG, CONFIG, vip, CONFIG),
                  stdin=text_of(lab))

        def is_state(name, word):
            return lambda: states(lab).get((name, api), "").startswith(word)

        for name, unit in SERVICES.items():
            lab.wait(is_state(name, "UP"), 60, "%s is not up: %s" % (name, states(lab)))
            say("%s up: %s" % (name, states(lab)[name, api]))
            lab.check(api, ["systemctl", "stop", unit], 60)
            lab.wait(is_state(name, "DOWN"), 60, "%s is stopped and not down: %s" % (name, states(lab)))
            say("%s stopped: %s" % (name, states(lab)[name, api]))
            lab.check(api, ["systemctl", "start", unit], 60)
            lab.wait(is_state(name, "UP"), 60, "%s is not up again: %s" % (name, states(lab)))
            pattern = "/etc/%s/" % name.partition("_")[0]
            faults.stop(lab, api, pattern)
            lab.wait(is_state(name, "DOWN"), 60, "%s hangs and is not down: %s" % (name, states(lab)))
            say("%s hung: %s" % (name, states(lab)[name, api]))
            faults.cont(lab, api, pattern)
            lab.wait(is_state(name, "UP"), 60, "%s is not up again: %s" % (name, states(lab)))
        for key, state in sorted(states(lab).items()):
            say("%s on %s: %s" % (key + (state,)))
        body = json.dumps({"auth": {"identity": {"methods": ["password"], "password": {"user": {
            "name": "admin", "domain": {"id": "default"}, "password": openstack.secret(lab)}}}}})
        out = lab.check("n2", ["curl", "-s", "-i", "-m", "20", "-H", "Content-Type: application/json", "-d", "@-",
                               "http://%s:5000/v3/auth/tokens" % vip], 30, stdin=body)
        if " 201 " not in out.splitlines()[0] or "x-subject-token" not in out.lower():
            raise LabError("no token through the VIP: %s" % out.splitlines()[0])
        say("a token through the VIP: %s" % out.splitlines()[0].strip())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
