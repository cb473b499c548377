# SPDX-License-Identifier: Apache-2.0
"""Pacemaker kills an agent with SIGKILL at its timeout, and a running monitor before every stop: at any point.

What is true before is true afterwards, and nothing is left running.
"""

import os
import random
import signal
import subprocess
import time

import pytest

from tests import ROOT
from tests.waiting import within

ROUNDS = 12


def group_members(group):
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.getpgid(int(name)) == group:
                found.append(int(name))
        except ProcessLookupError:
            pass
    return found


def begin(machine, action, environ):
    return subprocess.Popen([str(machine.path), action], env=environ, stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, start_new_session=True)


def files(directory):
    return sorted(os.path.join(where, name) for where, _below, names in os.walk(str(directory)) for name in names)


@pytest.mark.parametrize("action", ["monitor", "stop", "validate-all"])
def test_killed_at_a_random_point_it_leaves_no_trace(machine, action):
    seed = int(os.environ.get("QUORATE_SEED", "0")) or random.SystemRandom().randrange(1, 2 ** 31)
    print("QUORATE_SEED=%d" % seed)
    dice = random.Random(seed)
    environ = machine.cluster()
    began = time.monotonic()
    before = machine.run(action, environ)
    takes = time.monotonic() - began
    here = files(machine.directory)
    for _ in range(ROUNDS):
        process = begin(machine, action, environ)
        time.sleep(dice.uniform(0, takes))  # the point itself is the random choice; nothing is awaited here
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        process.stderr.close()
        assert within(10, lambda: not group_members(process.pid))
    assert files(machine.directory) == here
    assert machine.run(action, environ) == before


def test_sigterm_ends_it_with_a_reason_and_ends_what_it_runs(tmp_path):
    """By hand, by a shutdown, by a wrapper with a time limit."""
    agent = tmp_path / "slow"
    mark = "14142.%d" % os.getpid()
    agent.write_text("""#!/usr/bin/python3 -I
import os, sys
sys.path.insert(0, %r)
from quorate.ocf.declaration import Action
from quorate.ocf.agent import Agent, run_agent
from quorate.ocf.codes import Outcome
def start(context):
    print("begun", file=sys.stderr, flush=True)
    context.commands.run(["sleep", %r], 600)
    return Outcome(0)
sys.exit(run_agent(Agent("slow", "s", "l", (), (Action("start", 20),), {"start": start}), sys.argv, os.environ))
""" % (ROOT, mark))
    agent.chmod(0o755)

    def sleepers():
        return subprocess.run(["pgrep", "-xf", "sleep " + mark], stdout=subprocess.DEVNULL, check=False).returncode == 0

    process = subprocess.Popen([str(agent), "start"], stderr=subprocess.PIPE, env={"PCMK_service": "pacemaker-execd"})
    assert process.stderr.readline() == b"begun\n"
    assert within(10, sleepers)
    process.send_signal(signal.SIGTERM)
    _out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.startswith(b"ocf-exit-reason:") and b"SIGTERM" in err and b"Traceback" not in err
    assert within(10, lambda: not sleepers())
