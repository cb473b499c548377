# SPDX-License-Identifier: Apache-2.0
"""rabbitmq-check in front of real brokers on this machine: each state of a broker, made for real, and what is said of
it."""

import json
import os
import signal
import subprocess

import pytest

from bench.one_server import until
from quorate.host import amqp, amqp_session
from quorate.rabbitmq.broker.credentials import Endpoint
from tests.lab.rabbitmq.broker import CHECK, Broker, Check, Epmd, missing
from tests.waiting import within

pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
    pytest.mark.skipif(os.geteuid() != 0, reason="looks at processes and limits that only root may: run as root"),
]


@pytest.fixture(scope="module")
def epmd():
    one = Epmd()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def broker(tmp_path_factory, epmd):
    one = Broker(tmp_path_factory.mktemp("one"), "one", epmd)
    try:
        yield one.start()
    finally:
        one.kill()


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    return "--drain-directory=" + str(tmp_path_factory.mktemp("flags") / "drain")


@pytest.fixture(scope="module")
def check(broker, flags):
    one = Check(broker, flags)
    yield one
    one.stop()


@pytest.fixture(scope="module")
def bare(broker, flags):
    """A check without credentials."""
    one = Check(broker, flags, credentials=False)
    yield one
    one.stop()


def test_a_broker_that_serves(broker, check, bare):
    for one in (check, bare):
        assert (200, "RabbitMQ serves clients.") == one.get()
        assert [200, 200, 200] == [one.get(path)[0] for path in ("/publisher", "/ready", "/live")]
    assert (0, "RabbitMQ serves clients.") == broker.once()
    assert (0, "RabbitMQ serves clients.") == broker.once(credentials=False)


def test_what_is_known_with_an_account_and_without(broker):
    known = json.loads(broker.once("--json")[1])["broker"]
    assert ([broker.node], [broker.node], [], [], True, broker.process.pid) == (
        known["all_nodes"], known["running_nodes"], known["partitions"], known["alarms"], known["epmd"],
        known["process"])

    known = json.loads(broker.once("--json", credentials=False)[1])["broker"]
    assert (True, None, None, None) == (known["answered"], known["all_nodes"], known["partitions"], known["alarms"])


def test_metrics(check):
    lines = check.get("/metrics")[1].splitlines()
    assert {"quorate_rabbitmq_fit 1", "quorate_rabbitmq_members_running 1",
            'quorate_rabbitmq_alarm{resource="memory"} 0'} <= set(lines)


def test_the_resident_check_keeps_its_connection(broker, check):
    """Each new one would be three lines in the broker's log."""
    def connections():
        """process of the connection -> octets that it received so far, of the checks' connections."""
        rows = (line.split("\t", 2) for line in broker.ctl("list_connections", "pid", "recv_oct",
                                                           "client_properties").splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) == 3 and "quorate rabbitmq-check" in row[2]}

    until(lambda: len(connections()) == 1, 15, "one connection of the check")
    first = connections()
    for _ in range(3):
        before = connections()
        until(lambda: sum(connections().values()) > sum(before.values()), 15, "another question on the same connection")
    assert list(first) == list(connections())


def test_a_stopped_process_is_hung_for_everybody_in_time(broker, check, bare):
    broker.signal(signal.SIGSTOP)
    try:
        for one in (check, bare):
            one.turns(503, "SIGSTOP")
            assert [503, 503, 503] == [one.get(path, timeout=1)[0] for path in ("/", "/publisher", "/live")]
        code, text = broker.once()
        assert (1, True) == (code, "kill -CONT %d" % broker.process.pid in text)
    finally:
        broker.signal(signal.SIGCONT)
    for one in (check, bare):
        one.turns(200)


def test_silence_is_hung_as_well(broker):
    """Asked by AMQP only, as where the process is not visible."""
    broker.signal(signal.SIGSTOP)
    try:
        bare, session = amqp.handshake("127.0.0.1", broker.amqp,
                                       0.3), amqp_session.Session(Endpoint(port=broker.amqp, user="guest", password="guest"))
        assert (True, False) == (bare.listening, bare.answered)
        assert False is session.ask(0.5).handshake.answered
    finally:
        broker.signal(signal.SIGCONT)
    until(lambda: session.ask(2).handshake == amqp.Handshake(True, True), 10, "an answer")
    session.close(goodbye=True)


def test_a_limit_of_connections_is_not_refused_credentials(broker, check):
    broker.ctl("set_vhost_limits", '{"max-connections": 1}')  # the check has that one
    try:
        crowded = Check(broker)
        try:
            crowded.turns(503, "accepts no more connections")
            assert 200 == crowded.get("/live")[0]
        finally:
            crowded.stop()
        assert 200 == check.get()[0]
    finally:
        broker.ctl("clear_vhost_limits")


def test_an_alarm_blocks_publishers_only(broker, check):
    broker.ctl("set_vm_memory_high_watermark", "0.0000001")
    try:
        check.turns(503, "alarm of memory", "/publisher")
        assert (200, 200) == (check.get()[0], check.get("/live")[0])
        assert 1 == broker.once("--alarms", "no")[0]
        assert 'quorate_rabbitmq_alarm{resource="memory"} 1' in check.get("/metrics")[1]
    finally:
        broker.ctl("set_vm_memory_high_watermark", "0.4")
    check.turns(200, path="/publisher")


def test_maintenance_is_not_down(broker, check, bare):
    broker.tool("rabbitmq-upgrade", "drain")
    for one in (check, bare):
        one.turns(503, "maintenance mode")
    broker.tool("rabbitmq-upgrade", "revive")
    for one in (check, bare):
        one.turns(200)


def test_an_application_that_was_stopped_is_not_down(broker, check):
    broker.ctl("stop_app")
    check.turns(503, "rabbitmqctl start_app")
    broker.ctl("start_app")
    check.turns(200)


def test_refused_credentials_are_reported_and_not_shown(broker, tmp_path):
    path = tmp_path / "wrong.cnf"
    path.write_text("[client]\nuser=nobody\npassword=secret-word\n")
    path.chmod(0o600)
    options = broker.options(credentials=False) + ["--credentials", str(path)]
    done = subprocess.run([CHECK] + options, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=20)
    assert (0, True, False) == (done.returncode, "refuses the credentials" in done.stdout, "secret-word" in done.stdout)

    resident = Check(broker, "--credentials", str(path), credentials=False)
    try:
        resident.turns(200, "refuses the credentials")
    finally:
        resident.stop()


def test_a_file_for_everybody_is_not_used(broker, tmp_path):
    path = tmp_path / "open.cnf"
    path.write_text("[client]\nuser=guest\npassword=guest\n")
    path.chmod(0o644)

    code, text = broker.once("--credentials", str(path), credentials=False)

    assert (0, True) == (code, "chmod o= %s" % path in text)


def test_epmd_gone(broker, epmd, check):
    """The broker serves; only its tools and nodes that join suffer. It registers again by itself."""
    epmd.stop()
    try:
        check.turns(200, "epmd does not answer")
    finally:
        epmd.start()
    check.turns(200, "RabbitMQ serves clients.")


def test_no_open_files_left(broker, bare):
    """What does not answer for want of descriptors is not to be killed as if it hung."""
    import pika
    pid, crowd, full = broker.process.pid, [], False
    used = len(os.listdir("/proc/%d/fd" % pid))
    subprocess.run(["prlimit", "--pid", str(pid), "--nofile=%d:" % (used + 10)], check=True)
    try:
        while not full and len(crowd) < 100:
            try:
                crowd.append(pika.BlockingConnection(pika.ConnectionParameters(
                    "127.0.0.1", broker.amqp, heartbeat=0, socket_timeout=2, stack_timeout=2, connection_attempts=1)))
            except Exception:  # pika has many: any of them means that no connection came about
                full = True
        bare.turns(503, "accepts no more connections")
    finally:
        subprocess.run(["prlimit", "--pid", str(pid), "--nofile=20000:"], check=True)
        for one in crowd:
            one.close()
    bare.turns(200)


def test_a_drain_is_404(check, flags):
    subprocess.run([CHECK, "drain", flags, "new", "memory"], check=True, stdout=subprocess.DEVNULL, timeout=20)
    check.turns(404, "new memory")
    assert 200 == check.get("/live")[0]
    subprocess.run([CHECK, "undrain", flags], check=True, stdout=subprocess.DEVNULL, timeout=20)
    check.turns(200)


def test_killed_is_down_and_back(broker, check, bare):
    broker.kill()
    for one in (check, bare):
        one.turns(503, "does not run on this node")
    broker.launch()
    check.turns(503, "starts")
    for one in (check, bare):
        one.turns(200, seconds=60)


def test_a_pair_pauses_waits_and_loses_majorities(tmp_path_factory, epmd):
    """pause_minority when the other dies; the boot that waits for the other; queues that suffer. One has no plugin."""
    home = tmp_path_factory.mktemp("pair")
    left, right = Broker(home, "left", epmd), Broker(home, "right", epmd, management=False)
    check = None
    try:
        left.launch()
        right.start()
        until(left.answers, 60, "the first one")
        for words in (["stop_app"], ["join_cluster", left.node], ["start_app"]):
            right.ctl(*words)
        check = Check(left)
        check.turns(200)
        assert [left.node, right.node] == json.loads(left.once("--json")[1])["broker"]["running_nodes"]
        code, text = right.once()
        assert (0, True) == (code, text.startswith("RabbitMQ serves clients. The management API cannot be asked"))

        right.kill()
        check.turns(503, "paused itself")
        left.kill()
        check.turns(503, "does not run")

        right.launch()  # the other was running when it died, so it waits for it
        until(lambda: "waits for other nodes" in right.once()[1], 90, "a boot that waits")
        left.launch()
        check.turns(200, seconds=90)
        until(lambda: right.once()[0] == 0, 90, "the other")
        _queues_that_suffer(left, right)
    finally:
        if check is not None:
            check.stop()
        left.kill()
        right.kill()


def _queues_that_suffer(left, right):
    import pika
    left.ctl("eval", "application:set_env(rabbit, cluster_partition_handling, ignore).")
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", left.amqp, heartbeat=0))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("quorum", durable=True, arguments={"x-queue-type": "quorum"})
    if mirrors(left):
        left.ctl("set_policy", "mirrored", "^mirrored$", '{"ha-mode":"all","ha-sync-mode":"manual"}')
        channel.queue_declare("mirrored", durable=True)
    says(left, "RabbitMQ serves clients; some quorum queues have only just a majority: do not stop this node.")

    right.kill()
    says(left, "1 quorum queue (quorum) is without a majority of members: start more of the nodes that hold it.")
    if mirrors(left):
        channel.basic_publish("", "mirrored", b"x", pika.BasicProperties(delivery_mode=2))
    right.start()
    if mirrors(left):
        says(left, "1 queue (mirrored) is with a mirror that lacks messages: rabbitmqctl sync_queue, before the node that has "
                   "them is stopped.")
    connection.close()


def says(broker, sentence):
    """Wait until one check of its queues says so."""
    seen = []

    def does():
        seen[:] = [broker.once("--queues")]
        return seen == [(0, sentence)]
    within(30, does)
    assert [(0, sentence)] == seen


def mirrors(broker):
    """RabbitMQ 4 has no mirrored classic queues."""
    return not broker.ctl("version").strip().startswith("4")
