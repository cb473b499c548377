# SPDX-License-Identifier: Apache-2.0
"""A client in the lab's network that publishes to its brokers with confirms, and consumes, until it is stopped.

    client = Client(lab)
    figures, lost = client.stop()    # lost: the numbers of messages that were confirmed and never delivered
"""

import json
import os
import signal
import subprocess

from lab import PROGRAMS, state
from lab.services import rabbitmq

PROGRAM = os.path.join(PROGRAMS, "confirming.py")


class Client:
    """Runs lab/programs/confirming.py in the lab's network, with all nodes as its hosts. options: as written there."""

    def __init__(self, lab, directory=None, rate=20, hosts=None, options=None):
        self.directory = directory or os.path.join(state.directory(lab.name), "client")
        os.makedirs(self.directory, exist_ok=True)
        for name in ("confirmed", "received"):
            open(os.path.join(self.directory, name), "w").close()
        hosts = ",".join(hosts or [node.address for node in lab.nodes])
        argv = lab.client(["setpriv", "--pdeathsig", "KILL", "/usr/bin/python3", PROGRAM, hosts, rabbitmq.USER,
                           rabbitmq.password_file(lab), self.directory, str(rate), json.dumps(options or {})])
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                        start_new_session=True)

    def numbers(self, name):
        """The numbers in one of its records. An incomplete last line does not count."""
        with open(os.path.join(self.directory, name), encoding="ascii") as file:
            return {int(line) for line in file if line.endswith("\n")}

    def stop(self):
        """End it; (its figures, the numbers of messages that were confirmed and never delivered)."""
        self.process.send_signal(signal.SIGTERM)
        out = self.process.communicate(timeout=180)[0]
        return json.loads(out), sorted(self.numbers("confirmed") - self.numbers("received"))
