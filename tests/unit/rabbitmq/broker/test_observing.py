# SPDX-License-Identifier: Apache-2.0
"""The steps of one observation: what is asked where, with whose credentials, in how much time, what is made of it."""

import os
import resource

import pytest

from quorate.host.amqp import Handshake, SessionResult
from quorate.host.process import Process
from quorate.host.state_files import StateFiles
from quorate.rabbitmq import facts
from quorate.rabbitmq.broker import credentials, layout, observe
from quorate.rabbitmq.broker.credentials import Endpoint
from quorate.rabbitmq.declaration import PARAMETERS
from quorate.rabbitmq.facts import Broker
from tests import fakes

BEAM = "/usr/lib/erlang/erts-13.1.5/bin/beam.smp -- -noinput -s rabbit boot"
PLACE = layout.Layout("/bin/true", "rabbit@n1", "/mnesia", "/mnesia/rabbit@n1", "/log", "me", "me", "/cookie", None,
                      5671, True, "3.10.8", "/home", "192.0.2.1", "192.0.2.2", 15671, True, "/mq", None, None)
ENDPOINT = Endpoint("192.0.2.1", 5671, True, None, "/", None, None, "192.0.2.2", 15671, True, "rabbit@n1", "/log", None,
                    4369, "/mq", None)
ANSWERS = Handshake(True, True)


@pytest.fixture
def here(monkeypatch, tmp_path):
    return Here(monkeypatch, tmp_path)


class Here:
    """A machine with one broker, whose answers a test gives; asked: every question in its order."""

    def __init__(self, monkeypatch, root):
        self.root, self.asked, self.now = root, [], 1000.0
        self.greetings, self.places, self.same, self.stages = [ANSWERS], [], True, {}
        self.epmd, self.api = True, {}
        self.clock = fakes.FakeClock()
        self.processes = fakes.FakeProcesses(self.clock)
        self.process = self.processes.add(BEAM, pid=os.getpid())
        self.files = StateFiles("rabbitmq", "mq", str(root / "run"), str(root / "persistent"))
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        monkeypatch.setattr(credentials, "CREDENTIALS", str(root / "none"))
        for name in ("same_network", "boot_stage", "locate"):
            monkeypatch.setattr(observe, name, getattr(self, "_" + name))
        monkeypatch.setattr(observe.amqp, "handshake", self._handshake)
        monkeypatch.setattr(observe.epmd, "knows", self._knows)
        monkeypatch.setattr("quorate.rabbitmq.broker.tools.management.ask", self._ask)

    def context(self, level=0, **parameters):
        return fakes.context(parameters=PARAMETERS, clock=self.clock, processes=self.processes, seconds=20.0,
                             environ={"OCF_CHECK_LEVEL": str(level)}, **parameters)

    def observe(self, place=PLACE, **context):
        return observe.observe(self.context(**context), self.files, place)

    def known(self, **more):
        return PLACE._replace(listener=layout.identity(self.process), **more)

    def _same_network(self, process):
        assert process == self.process
        return self.same

    def _boot_stage(self, log, process=None):
        assert process == self.process
        return self.stages.get(log)

    def _locate(self, context, place, process, boots):
        assert process == self.process and place.nodename == "rabbit@n1"
        self.asked.append(("locate", boots))
        return self.places.pop(0) if self.places else None

    def _handshake(self, *how):
        self.asked.append(("handshake", *how))
        self.now += 0.25
        return self.greetings.pop(0) if len(self.greetings) > 1 else self.greetings[0]

    def _knows(self, *how):
        self.asked.append(("epmd", *how))
        self.now += 0.125
        return self.epmd

    def _ask(self, *how):
        self.asked.append(("api", *how))
        return dict(self.api)

    def file(self, text="user=u\npassword=p\n", name="none"):
        (self.root / name).write_text(text)
        (self.root / name).chmod(0o600)
        return str(self.root / name)


def test_a_broker_whose_listeners_are_known(here):
    seen = here.observe(here.known())
    assert seen == observe.Observation(
        facts.RUNNING, here.process, Broker(here.process, True, True, epmd=True), seen.sentence, "running")
    assert here.asked == [("handshake", "192.0.2.1", 5671, 3.0, True, None),
                          ("epmd", "rabbit@n1", "127.0.0.1", 4369, 0.5)], "and where it listens is not looked up"


def test_a_broker_whose_listeners_are_not_known_yet(here):
    moved = here.known(port=5673)
    here.places = [moved]
    seen = here.observe()
    assert seen.state == facts.RUNNING and [one[:3] for one in here.asked] == [
        ("locate", False), ("handshake", "192.0.2.1", 5673), ("epmd", "rabbit@n1", "127.0.0.1")]
    assert layout.decode_layout(here.files.read("layout")) == moved, "the next monitor knows them"


def test_where_its_sockets_cannot_be_seen_the_configuration_counts(here):
    assert here.observe().state == facts.RUNNING and here.files.read("layout") == {}
    assert [one[0] for one in here.asked] == ["locate", "handshake", "epmd"]


def test_a_layout_that_cannot_be_recorded_is_used(here):
    (here.root / "run").write_text("in the way")
    here.places = [here.known(port=5673)]
    assert here.observe().state == facts.RUNNING and here.asked[1][2] == 5673


@pytest.mark.parametrize("log, output, state, boots", [
    (facts.WAITING, None, facts.WAITING, True), (facts.STARTING, None, facts.STARTING, True),
    (facts.DRAINING, None, facts.DRAINING, False), (None, facts.WAITING, facts.WAITING, True),
    (facts.PAUSED, facts.WAITING, facts.PAUSED, False), (None, None, facts.STARTING, False)])
@pytest.mark.parametrize("known", [False, True])
def test_a_broker_that_listens_nowhere(here, log, output, state, boots, known):
    here.stages = {"/log": log, here.files.path("output"): output}
    here.places, here.greetings = [()], [Handshake(False, None)]
    seen = here.observe(here.known() if known else PLACE)
    assert seen.state == state and seen.broker == Broker(here.process, False, stage=log or output, epmd=True)
    assert here.asked[-2:] == [("locate", boots), ("epmd", "rabbit@n1", "127.0.0.1", 4369, 0.5)]


def test_a_broker_that_moved(here):
    """Who answers at the old place may be another program."""
    here.greetings, here.places = [Handshake(True, None, "no AMQP"), ANSWERS], [here.known(port=5673)]
    seen = here.observe(here.known())
    assert seen.state == facts.RUNNING and seen.process == here.process
    assert [one[2] for one in here.asked if one[0] == "handshake"] == [5671, 5673]


def test_a_broker_that_did_not_move_is_not_asked_again(here):
    here.greetings, here.places = [Handshake(True, None, "no AMQP")], [here.known()]
    assert here.observe(here.known()).state == facts.UNKNOWN
    assert [one[0] for one in here.asked] == ["handshake", "locate"]


@pytest.mark.parametrize("place", ["known", "found", "unseen"])
def test_a_broker_in_another_network_namespace(here, place):
    here.same, here.greetings = False, [Handshake(False, None, "refused")]
    here.places = [here.known()] if place == "found" else []
    seen = here.observe(here.known() if place == "known" else PLACE)
    assert seen.state == facts.UNKNOWN and seen.process == here.process
    assert seen.broker == Broker(here.process, error=observe.ELSEWHERE % here.process.pid)
    assert ("handshake" in [one[0] for one in here.asked]) is (place != "unseen")
    here.greetings = [ANSWERS]
    assert here.observe(here.known()).state == facts.RUNNING, "an address of its own can be reached"


@pytest.mark.parametrize("seconds, limit", [(None, 3.0), (15.0, 15.0), (50.0, 20.0)])
def test_how_patiently_it_is_asked(here, seconds, limit):
    assert observe.ask(here.context(), here.known(), here.process, seconds).state == facts.RUNNING
    assert here.asked[0] == ("handshake", "192.0.2.1", 5671, limit, True, None)


@pytest.mark.parametrize("second, state", [(Handshake(True, False, "late"), facts.HUNG), (ANSWERS, facts.RUNNING)])
def test_one_slow_answer_is_no_hang(here, second, state):
    here.greetings = [Handshake(True, False, "late"), second]
    assert here.observe().state == state
    assert len([one for one in here.asked if one[0] == "handshake"]) == 2


def test_where_there_is_no_time_left_it_is_asked_once(here):
    here.greetings = [Handshake(True, False, "late")]
    context = here.context()
    here.clock.sleep(100)
    assert observe.observe(context, here.files, here.known()).state == facts.HUNG
    assert len([one for one in here.asked if one[0] == "handshake"]) == 1


@pytest.mark.parametrize("level, diagnosed", [(0, False), (10, False), (20, True)])
def test_only_a_monitor_of_level_20_starts_programs(here, level, diagnosed):
    context = here.context(level)
    context.commands.allow("rabbitmq-diagnostics", ..., rc=69, out="memory")
    seen = observe.observe(context, here.files, here.known())
    assert (seen.code == "alarm") is diagnosed and bool(context.commands.calls) is diagnosed
    assert seen.process == here.process
    here.greetings = [Handshake(True, None, "no AMQP")]
    del context.commands.calls[:]
    observe.observe(context, here.files, here.known())
    assert context.commands.calls == []


# -- with credentials

def test_the_endpoint_of_a_layout(here):
    assert observe.layout_endpoint(PLACE) == ENDPOINT
    parameters = here.context().parameters
    assert observe.layout_endpoint(PLACE, parameters) == ENDPOINT
    named = here.context(management_port=15680, credentials=here.file(name="named")).parameters
    assert observe.layout_endpoint(PLACE, named) == ENDPOINT._replace(management_port=15680, user="u", password="p")
    assert observe.layout_endpoint(PLACE) == ENDPOINT, "no file is read"
    here.file()
    assert observe.layout_endpoint(PLACE, parameters).user == "u"


def test_a_file_of_credentials_that_cannot_be_used_is_named(here):
    here.file("user=u\n")
    seen = here.observe(here.known())
    assert seen.state == facts.RUNNING and seen.broker.answered and "user and password" in seen.broker.error
    assert "api" not in [one[0] for one in here.asked]
    here.greetings = [Handshake(True, None, "no AMQP")]
    assert here.observe(here.known()).broker.error == "no AMQP", "what is worse is named first"
    missing = here.observe(here.known(), credentials=str(here.root / "missing"))
    assert missing.broker.error == "no AMQP" and here.asked[-1][0] != "api"


def test_with_credentials_the_management_api_is_asked_in_the_time_that_is_left(here):
    here.file()
    here.api = {"alarms": ("disk",)}
    seen = here.observe(here.known(), level=10)
    assert seen.code == "alarm" and here.asked[-1] == (
        "api", ENDPOINT._replace(user="u", password="p"), 10, 3 - 0.25 - 0.125)


@pytest.mark.parametrize("seconds, greeted, epmd, api", [
    (4.0, 4.0, 0.5, 3.625), (0.5, 0.5, 0.25, 0.125), (0.25, 0.25, 0.05, 0.05), (0.0, 0.05, 0.05, 0.05)])
def test_how_the_time_is_shared(here, seconds, greeted, epmd, api):
    """The handshake had half of it: a broker that needed 1.6 of its 3 seconds was killed for that."""
    observe.observe_broker(ENDPOINT._replace(user="u", certificate=("c", "k")), here.process, 0, seconds)
    assert here.asked[0] == ("handshake", "192.0.2.1", 5671, greeted, True, ("c", "k"))
    assert here.asked[1][-1] == epmd and here.asked[2][2:] == (0, api)


class Session:
    """A kept connection that gives this result after a quarter of a second."""

    def __init__(self, here, *result):
        self.here, self.result, self.limit = here, result, None

    def ask(self, seconds):
        self.limit = seconds
        self.here.now += 0.25
        return SessionResult(*self.result)


def test_a_kept_connection_is_asked_first(here):
    session = Session(here, ANSWERS)
    found = observe.observe_broker(ENDPOINT, here.process, 0, 4.0, session)
    assert found.answered and session.limit == 4.0 and [one[0] for one in here.asked] == ["epmd"]
    session = Session(here, None)
    assert observe.observe_broker(ENDPOINT, here.process, 0, 0.5, session).answered
    assert here.asked[1] == ("handshake", "192.0.2.1", 5671, 0.25, True, None), "why there is none"


@pytest.mark.parametrize("refused, full", [(True, False), (False, True), (True, True)])
def test_a_session_that_was_refused(here, refused, full):
    session = Session(here, ANSWERS, refused, full)
    found = observe.observe_broker(ENDPOINT._replace(user="u"), here.process, 0, 4.0, session)
    assert (found.refused, found.full) == (refused, full) and "api" not in [one[0] for one in here.asked]


def test_a_broker_that_does_not_answer(here):
    here.greetings = [Handshake(True, False, "late", None)]
    found = observe.observe_broker(ENDPOINT, here.process, 0, 4.0)
    count, most = found.files
    assert found == Broker(here.process, True, False, error="late", files=(count, most)) and count < most
    assert observe.observe_broker(ENDPOINT, None, 0, 4.0) == Broker(None, True, False, error="late")
    assert "epmd" not in [one[0] for one in here.asked]


def test_a_broker_that_does_not_listen(here):
    here.greetings, here.stages, here.epmd = [Handshake(False, None, "refused")], {"/log": facts.WAITING}, False
    assert observe.observe_broker(ENDPOINT, here.process, 0, 4.0) == Broker(
        here.process, False, error="refused", stage=facts.WAITING, epmd=False)
    assert here.asked[-1][-1] == 0.5
    assert observe.observe_broker(ENDPOINT, here.process, 0, 0.5).epmd is False and here.asked[-1][-1] == 0.25
    assert observe.observe_broker(ENDPOINT, None, 0, 4.0) == Broker(None, False, error="refused")
    here.greetings = [Handshake(None, None, "no route", True)]
    assert observe.observe_broker(ENDPOINT, here.process, 0, 4.0) == Broker(
        here.process, error="no route", refused=True)


REFUSED = Broker(answered=True, refused=True, error="TLS alert")


@pytest.mark.parametrize("broker, found, wanted", [
    (REFUSED, {"alarms": ()}, Broker(answered=True, alarms=())),
    (REFUSED, {"alarms": (), "error": "half"}, REFUSED._replace(alarms=(), error="half")),
    (REFUSED, {"error": "none"}, REFUSED._replace(error="none")), (REFUSED, {}, REFUSED),
    (REFUSED._replace(error="no"), {"alarms": ()}, REFUSED._replace(error="no", alarms=())),
    (REFUSED._replace(error=None), {"alarms": ()}, REFUSED._replace(error=None, alarms=())),
    (REFUSED._replace(refused=None), {"alarms": ()}, REFUSED._replace(refused=None, alarms=()))])
def test_the_management_api_says_what_a_broker_that_wants_a_certificate_did_not(broker, found, wanted):
    assert observe.with_answers(broker, found) == wanted


@pytest.mark.parametrize("said, same, known", [
    (True, True, True), (False, True, False), (None, True, None), (False, False, None), (True, False, True)])
def test_what_epmd_knows_of_a_broker(here, said, same, known):
    here.epmd, here.same = said, same
    assert observe.known_to_epmd(ENDPOINT._replace(epmd_port=4370), here.process, 0.3) is known
    assert here.asked == [("epmd", "rabbit@n1", "127.0.0.1", 4370, 0.3)]
    assert observe.known_to_epmd(ENDPOINT, None, 0.3) is said


@pytest.mark.parametrize("words, port", [
    ("beam.smp -epmd_port 4370 -x 1", 4370), ("beam.smp -epmd_port x", None), ("beam.smp -epmd_port", None),
    ("beam.smp -port 4370", None), ("beam.smp -epmd_port x -epmd_port 5", 5)])
def test_the_port_of_epmd_on_a_command_line(here, words, port):
    process = Process(here.process.pid, 1, here.process.start, "S", tuple(words.split()))
    assert observe.epmd_port(process) == port and observe.epmd_port(None) is None


def test_the_open_files_of_a_process(here):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
    try:
        count, most = observe.open_files(os.getpid())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (count, most) == (len(os.listdir("/proc/self/fd")), soft - 1) and observe.open_files(4194304) is None
