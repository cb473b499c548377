# SPDX-License-Identifier: Apache-2.0
"""A broker that was launched, among other processes of the machine; all of them are fakes."""

import os
import pwd

from quorate.host import daemon
from quorate.host.state_files import StateFiles
from quorate.rabbitmq.broker import process
from quorate.rabbitmq.declaration import PARAMETERS
from tests import fakes

ME = pwd.getpwuid(os.getuid()).pw_name
BEAM = "/usr/lib/erlang/erts-13.1.5/bin/beam.smp -W w -- -root /usr/lib/erlang -noinput -s rabbit boot -boot start_sasl"


class Node:
    """A broker that was launched, among other processes of the machine."""

    def __init__(self, tmp_path, **how):
        self.clock = fakes.FakeClock()
        self.processes = fakes.FakeProcesses(self.clock)
        self.commands = fakes.FakeCommands(self.clock)
        self.context = fakes.context("stop", PARAMETERS, clock=self.clock, commands=self.commands,
                                     processes=self.processes,
                                     seconds=60, user=ME)
        self.state_files = StateFiles("rabbitmq", "test", str(tmp_path / "run"), str(tmp_path / "persistent"))
        self.broker = self.processes.add(BEAM, pid=400, **how)
        self.child = self.processes.add("erl_child_setup 1024", pid=401, ppid=400, **how)
        self.epmd = self.processes.add("/usr/bin/epmd -daemon", pid=402)
        self.state_files.write(daemon.PROCESS_FILE, {"pid": 400, "start": self.broker.start, "session": 400})

    def stop(self, **how):
        return process.stop(self.context, self.state_files, "rabbit@n1", 30, **how)
