# SPDX-License-Identifier: Apache-2.0
"""haproxy-check: from the answer of the socket, and from the processes, to a code and a message."""

import errno
import json
import os
import subprocess

import pytest

from quorate.errors import Usage
from quorate.haproxy import health, observe
from quorate.haproxy.check import HaproxyCheck, names
from quorate.haproxy.facts import Backend, Frontend, Process, State
from quorate.haproxy.health import Policy, classify
from quorate.web.check import NOTHING_YET
from tests import ROOT
from tests.fakes import FakeProcesses
from tests.unit.haproxy.answers import captured

POLICY = Policy(socket="/run/s")
WELL = State(pid=7, stopping=False, frontends=(Frontend("web", "OPEN"), Frontend("db", "FULL")),
             backends=(Backend("app", "UP", 2, 3), Backend("db", "UP 1/3", 1, 2)))
DEAD = Backend("api", "DOWN", 0, 3)


@pytest.mark.parametrize("state, policy, code, ok", [
    (WELL, POLICY, "serving", True),
    (WELL, POLICY._replace(listeners=("web",), backends=("db",)), "serving", True),
    (WELL._replace(backends=()), POLICY, "serving", True),
    (WELL._replace(backends=WELL.backends + (DEAD,)), POLICY, "degraded", True),
    (WELL._replace(backends=(DEAD,)), POLICY, "no-servers", False),
    (WELL._replace(backends=WELL.backends + (DEAD,)), POLICY._replace(backends=("api",)), "no-server", False),
    (WELL, POLICY._replace(backends=("nix",)), "missing", False),
    (WELL, POLICY._replace(listeners=("nix",)), "missing", False),
    (WELL._replace(frontends=()), POLICY, "missing", False),
    (WELL._replace(frontends=WELL.frontends + (Frontend("x", "PAUSED"),)), POLICY, "closed", False),
    (WELL._replace(frontends=WELL.frontends + (Frontend("x", "STOP"),)), POLICY._replace(listeners=("web",)), "serving",
     True),
    (WELL._replace(stopping=True), POLICY, "stopping", False),
    (WELL._replace(stopping=None), POLICY, "serving", True),
    (State("absent", processes=()), POLICY, "down", False),
    (State("absent", processes=(Process(7, "S"),)), POLICY, "unknown", False),
    (State("refused", processes=()), POLICY, "down", False),
    (State("refused", processes=(Process(7, "S"),)), POLICY, "down", False),
    (State("denied", "owner root, group root, mode 600"), POLICY, "unknown", False),
    (State("silent", processes=(Process(7, "S"),)), POLICY, "hung", False),
    (State("silent", processes=(Process(7, "T"),)), POLICY, "hung", False),
    (State("busy", processes=()), POLICY, "hung", False),
    (State("silent", processes=(Process(7, "S"),), clients_wait=True), POLICY, "hung", False),
    (State("silent", processes=(Process(7, "S"),), clients_wait=False), POLICY, "unknown", False),
    (State("silent", processes=(Process(7, "T"), Process(8, "S")), clients_wait=False), POLICY, "hung", False),
    (State("cut", "x", processes=()), POLICY, "unknown", False),
    (State("foreign", "220 mail", processes=()), POLICY, "unknown", False),
    (State("failed", "No route to host", processes=()), POLICY, "unknown", False),
])
def test_code(state, policy, code, ok):
    assert (code, ok) == classify(state, policy)[:2]


@pytest.mark.parametrize("state, policy, words", [
    (State("silent", processes=(Process(7, "T"), Process(8, "S"))), POLICY, "To resume it: kill -CONT 7"),
    (WELL._replace(frontends=(Frontend("web", "STOP"),)), POLICY, "echo 'enable frontend web' | socat - /run/s"),
    (WELL, POLICY._replace(listeners=("nix", "nought")), "called nix or nought; it has: web and db."),
    (WELL._replace(backends=WELL.backends + (DEAD,)), POLICY, "has no server that is up in: api."),
    (WELL, POLICY, "2 listeners open, 2 backends with a server that is up."),
    (State("denied", "owner root, group root, mode 600"), POLICY, "/run/s (owner root, group root, mode 600)"),
])
def test_the_message_says_what_to_type(state, policy, words):
    assert words in classify(state, policy).sentence


class Stats:
    """A stats socket that answers a text, raises an error, or is silent until waiting is given up."""

    address = "/run/s"

    def __init__(self, said):
        self.said, self.gave_up = said, None

    def ask(self, question, seconds, doubt):
        if isinstance(self.said, list):
            answer = self.said.pop(0)
            if isinstance(answer, str):
                return answer
            raise answer
        if isinstance(self.said, str):
            return self.said
        if self.said is TimeoutError:
            self.gave_up = doubt()
        raise self.said


def observed(said, processes=None, pidfile="/nonexistent"):
    stats = Stats(said)
    return observe.observe(stats, 1.0, lambda: processes or FakeProcesses(), pidfile, lambda pid: None,
                           lambda seconds: None), stats


def haproxy(state="S", master=True):
    """The processes of a master and a worker, and of two that are none of ours."""
    processes = FakeProcesses()
    above = processes.add("/usr/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg").pid if master else 1
    worker = processes.add("/usr/sbin/haproxy -Ws -f /etc/haproxy/haproxy.cfg", ppid=above, state=state)
    processes.add("haproxy -f /var/lib/neutron/ns-metadata-proxy/0c1d.conf", state="T")
    processes.add("vi haproxy.cfg", state="T")
    return processes, worker


def test_a_healthy_one_needs_no_search_for_processes():
    state, _ = observed(captured("2.6"), processes=None)
    assert (None, None) == (state.error, state.processes)


@pytest.mark.parametrize("master", [True, False])
def test_waiting_for_a_stopped_worker_is_given_up(master):
    processes, worker = haproxy("T", master)
    state, stats = observed(TimeoutError, processes)

    assert ("silent", (Process(worker.pid, "T"),), True) == (state.error, state.processes, stats.gave_up)


def test_waiting_for_a_slow_one_is_not():
    assert observed(TimeoutError, haproxy("S")[0])[1].gave_up is False
    assert observed(TimeoutError)[1].gave_up is False


def test_the_pid_file_says_which_of_two_is_meant(tmp_path):
    processes, worker = haproxy("T", master=False)
    other = processes.add("/usr/sbin/haproxy -f /etc/other.cfg")
    (tmp_path / "pid").write_text("%d\n" % other.pid)

    assert (Process(other.pid, "S"),) == observed(TimeoutError, processes, str(tmp_path / "pid"))[0].processes


@pytest.mark.parametrize("content", ["", "no number", "999999", "1"])
def test_a_wrong_pid_file_hides_nothing(tmp_path, content):
    processes, worker = haproxy("T")
    processes.add("/sbin/init", pid=1, ppid=0)
    (tmp_path / "pid").write_text(content)

    assert (Process(worker.pid, "T"),) == observed(TimeoutError, processes, str(tmp_path / "pid"))[0].processes


@pytest.mark.parametrize("number, error", [
    (errno.ENOENT, "absent"), (errno.ECONNREFUSED, "refused"), (errno.EACCES, "denied"), (errno.EAGAIN, "busy"),
    (errno.EHOSTUNREACH, "failed")])
def test_errors_of_the_socket(number, error):
    assert error == observed(OSError(number, os.strerror(number)))[0].error


def checked(options, said):
    return HaproxyCheck(options, Stats(said), FakeProcesses).observe(1.0, NOTHING_YET)


def test_check_of_a_captured_answer():
    assert ("closed", False) == checked({}, captured("2.6")).health[:2]
    assert ("degraded", True) == checked({"require": ["galera_cluster,page"]}, captured("2.6")).health[:2]
    assert ("no-server", False) == checked({"require": ["page"], "backend": ["app", "gone"]},
                                           captured("3.0")).health[:2]


@pytest.mark.parametrize("samples, expected", [
    ([{1: 0, 2: 0}] * 5, False), ([{1: 3, 2: 0}] * 5, True), ([{1: 1}, {1: 0}, {1: 1}, {1: 1}, {1: 1}], False),
    ([{1: 1, 2: 0}, {1: 0, 2: 1}] * 3, False), ([{1: 1}, None], None), ([{}] * 5, False)])
def test_clients_that_wait_all_the_time(samples, expected):
    """A queue that is empty once is served; one that may not be observed is unknown."""
    rest, slept = list(samples), []
    assert expected is observe.clients_wait((Process(7, "S"),), 0.25, lambda pid: rest.pop(0), slept.append)
    assert sum(slept) <= 0.25


def test_only_the_process_of_the_pid_file_is_a_witness(tmp_path):
    """One that was found by name may be somebody else's, whose clients say nothing of ours."""
    processes, worker = haproxy("S", master=False)
    (tmp_path / "pid").write_text("%d\n" % worker.pid)
    for pidfile, expected in ((str(tmp_path / "pid"), False), ("/nonexistent", None)):
        state = observe.observe(Stats(TimeoutError), 1.0, lambda: processes, pidfile, lambda pid: {1: 0},
                                lambda seconds: None)
        assert expected is state.clients_wait


def test_nobody_waits_at_a_process_that_is_not_there_or_stopped():
    for running in ((), (Process(7, "T"),)):
        assert observe.clients_wait(running, 0.25, lambda pid: pytest.fail("looked")) is None


STOPPING = captured("3.0").replace("\nStopping: 0\n", "\nStopping: 1\n")


@pytest.mark.parametrize("second, stopping", [
    (captured("3.0"), False), (STOPPING, True), (ConnectionRefusedError(errno.ECONNREFUSED, "x"), True),
    (TimeoutError(), True),
    ("half", True)])
def test_a_reload_is_no_stop(second, stopping):
    """Seen with 2.6 and 3.0: a connection that waited at the old process is answered by it after its stop began."""
    state, _ = observed([STOPPING, second])
    assert (None, stopping) == (state.error, state.stopping)


def test_metrics_and_json():
    check = HaproxyCheck({}, Stats(captured("3.0")), FakeProcesses)
    fact = check.observe(1.0, NOTHING_YET)

    assert ("backend_servers_up", {"name": "gone"}, 0) in check.metrics(fact)
    assert ("listener_open", {"name": "web"}, False) in check.metrics(fact)
    assert () == check.metrics(NOTHING_YET) == check.metrics(fact._replace(status=State("silent")))
    assert {"name": "app", "status": "UP", "up": 1,
            "servers": 3} in json.loads(json.dumps(check.known(fact)))["facts"]["backends"]


@pytest.mark.parametrize("options", [{"timeout": "soon"}, {"timeout": "0"}, {"timeout": "nan"},
                                     {"socket": "admin.sock"}])
def test_a_wrong_command_line(options):
    with pytest.raises(Usage):
        HaproxyCheck(options)


def test_names_by_commas_and_again():
    assert ("a", "b", "c") == names(["a,b", "c,"])


def test_many_names_do_not_make_a_page():
    assert "a, b, c, d, e and 21 more" == health.some("abcdefghijklmnopqrstuvwxyz")
    assert ("", "a", "a or b") == (health.some([]), health.some(["a"]), health.some(["a", "b"], "or"))


def test_one_check_imports_nothing_expensive():
    """keepalived starts it every second, and its imports are most of its cost."""
    done = subprocess.run(["/usr/bin/python3", "-I", "-c", "import sys; before = set(sys.modules); path = sys.argv[1]\n"
                           "sys.argv = [path, '--socket', '/nonexistent/sock']\ntry: exec(compile(open(path).read(), path, "
                           "'exec'), {'__name__': '__main__', '__file__': path})\nexcept SystemExit: pass\n"
                           "print(*sorted(set(sys.modules) - before))", os.path.join(ROOT, "checks", "haproxy-check")],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    found = done.stdout.splitlines()[-1].split()
    allowed = set("_collections _functools _operator _socket _weakrefset collections collections.abc errno functools itertools "
                  "keyword operator reprlib types".split())

    assert [] == [name for name in found if name not in allowed and not name.startswith("quorate")]
    assert not any(name.startswith("quorate.web.") and name not in ("quorate.web.check", "quorate.web.command")
                   for name in found)
