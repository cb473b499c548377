# SPDX-License-Identifier: Apache-2.0
"""Clients that call the lab's services all the time, and what a fault cost them."""

import os
import socket
import threading
import time
from typing import List, NamedTuple, Optional

from lab import PROGRAMS
from lab.machines import inside
from lab.services.openstack import configuration, deployment

CALLER = os.path.join(PROGRAMS, "openstack_caller.py")
# A service that does not know the method has received the call and answered it.
ANSWERS = ("ok", "NoSuchMethod", "UnsupportedVersion", "RemoteError")
CALLS = {  # service: configuration, exchange, topic, server
    "cinder-volume": ("/etc/cinder/cinder.conf", "openstack", "cinder-volume",
                      ",".join("%s@%s" % (configuration.HOST, name) for name in configuration.BACKENDS)),
    "heat-engine": ("/etc/heat/heat.conf", "heat", "engine", "-"),
    "nova-consoleauth": ("/etc/nova19/nova.conf", "nova", "consoleauth", "-"),
}


class Call(NamedTuple):
    """One call: unix seconds when it began, seconds it took, whether it was answered."""

    at: float
    took: float
    answered: bool


class Impact(NamedTuple):
    """What a fault cost a client. silence: longest time without an answer, seconds; last: seconds from `since` to the
    first answer after the last failure, None: no call failed, or the last one did; whole: whether the last call was
    answered."""

    calls: int
    failed: int
    silence: float
    last: Optional[float]
    whole: bool


def impact(calls: List[Call], since: float) -> Impact:
    """The Impact on the calls that ended after `since`. Pure."""
    mine = [call for call in calls if call.at + call.took >= since]
    before, silence, broken, last = since, 0.0, False, None
    for call in mine:
        if call.answered:
            silence = max(silence, call.at + call.took - before)
            before = call.at + call.took
            if broken:
                last, broken = before - since, False
        else:
            broken = True
    failed = sum(not call.answered for call in mine)
    return Impact(len(mine), failed, silence, last, bool(mine) and mine[-1].answered)


def parse(text: str) -> List[Call]:
    """The calls that openstack_caller.py recorded. An incomplete last line does not count."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3:
            found.append(Call(float(words[0]), float(words[1]), words[2] in ANSWERS))
    return found


class Callers:
    """Runs an RPC client for each service on the node with the APIs; and asks for the console's page, from this
    machine."""

    def __init__(self, lab, services):
        self._lab, self._node, self._pages = lab, deployment.api_node(lab), []
        self._ended = threading.Event()
        with open(CALLER, encoding="utf-8") as file:
            lab.check(self._node, "cat >/var/lib/openstack_caller.py", stdin=file.read())
        self._processes = {}
        for name in services:
            if name in CALLS:
                lab.run(self._node, ["rm", "-f", self._record(name)])
                self._processes[name] = lab.popen(
                    self._node, ["setpriv", "--pdeathsig", "TERM", "/usr/bin/python3", "-W", "ignore",
                                 "/var/lib/openstack_caller.py"] + list(CALLS[name])
                    + ["oslo_rpc_server_ping", self._record(name)], stdout=-3, stderr=-3)
        self._thread = threading.Thread(target=lambda: inside.in_network(lab, self._browse), daemon=True)
        self._thread.start()

    @staticmethod
    def _record(name):
        return "/var/lib/called-" + name

    def calls(self, service) -> List[Call]:
        """All calls of a service so far."""
        if service not in self._processes:
            return list(self._pages)
        return parse(self._lab.run(self._node, ["cat", self._record(service)], 20).out)

    def _browse(self):
        while not self._ended.is_set():
            began, clock = time.time(), time.monotonic()
            answered = any(page(node.address, 1.0) for node in self._lab.nodes[:-1])
            self._pages.append(Call(began, time.monotonic() - clock, answered))
            self._ended.wait(0.4)

    def close(self):
        """End them."""
        self._ended.set()
        for process in self._processes.values():
            process.kill()  # nsenter; what it runs ends with it
            process.wait()
        self._thread.join()


def page(address, timeout):
    """Whether the console's page is answered with 200."""
    try:
        with socket.create_connection((address, configuration.CONSOLE_PORT), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(b"GET /vnc_lite.html HTTP/1.0\r\n\r\n")
            answer = b""
            while True:  # to the end: a client that closes early causes errors in the proxy's log
                more = connection.recv(65536)
                if not more:
                    return b" 200 " in answer[:64]
                answer += more
    except OSError:
        return False
