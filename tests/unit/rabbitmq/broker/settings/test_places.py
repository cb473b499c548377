# SPDX-License-Identifier: Apache-2.0
"""Where the broker is by its own files. The values are those of rabbit_env:get_context/0 of RabbitMQ 3.10.8."""

import os

import pytest

from quorate.errors import Unreadable
from quorate.host import names
from quorate.rabbitmq.broker.settings import places as module
from quorate.rabbitmq.broker.settings.listeners import Listener
from quorate.rabbitmq.broker.settings.places import Wanted, host_part, nodename, places
from quorate.rabbitmq.broker.settings.variables import Variables

SHORT = os.uname().nodename.partition(".")[0]


def read(tmp_path, text, wanted=Wanted(), environ=(), running=False, **files):
    """The Places of a rabbitmq-env.conf, with other files by their names in tmp_path ('_' for a dot)."""
    env = tmp_path / "rabbitmq-env.conf"
    env.write_text("CONFIG_FILE=%s/rabbitmq\nCONFIG_FILES=%s/conf.d\nADVANCED_CONFIG_FILE=%s/advanced.config\n" % (
        (tmp_path,) * 3) + text)
    for name, content in files.items():
        path = tmp_path / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return places(wanted, environ, running, str(env))


# the name

@pytest.mark.parametrize("text, name", [
    ("", "rabbit"), ("#NODENAME=bunny\n", "rabbit"), ("NODENAME=bunny\n", "bunny"), ("NODENAME=\n", "rabbit"),
    ("NODENAME=bunny # that of the house\n", "bunny"), ("NODENAME='bunny'\n", "bunny"),
    ('export NODENAME="bunny"', "bunny"),
    ("RABBITMQ_NODENAME=hare\nNODENAME=bunny\n", "hare"), ("RABBITMQ_NODENAME=\nNODENAME=bunny\n", "bunny"),
    ("NAME=b\nNODENAME=${NAME}unny\n", "bunny"), ("NODENAME=bunny;ulimit -n 65536\n", "bunny"),
])
def test_name(tmp_path, text, name):
    assert read(tmp_path, text).nodename == "%s@%s" % (name, SHORT)


@pytest.mark.parametrize("name, long_names, host, wanted", [
    (None, False, "n1.example.org", "rabbit@n1"), (None, True, "n1.example.org", "rabbit@n1.example.org"),
    ("mq", True, "n1.example.org", "mq@n1.example.org"), ("mq@x", True, "n1.example.org", "mq@x"),
    ("mq@x.y", False, "n1", "mq@x.y"),
])
def test_name_with_the_host(name, long_names, host, wanted):
    assert nodename(name, long_names, host) == wanted


@pytest.mark.parametrize("canonical, wanted", [
    ("n1.foo.org", "n1.foo.org"), ("other.foo.org", "n1.foo.org"), ("n1", "n1"), ("localhost", "n1")])
def test_domain_as_erlang_finds_it(monkeypatch, canonical, wanted):
    """net_adm:localhost/0 on Debian 12, with each of these names first in the line of /etc/hosts."""
    monkeypatch.setattr(names, "lookup", lambda *_: [(2, 1, 6, canonical, ("192.0.2.1", 0))])
    assert host_part(True, "n1") == wanted


def test_a_domain_that_cannot_be_looked_up_is_unknown(monkeypatch):
    def fails(*_):
        raise names.Unresolved("the name n1 was not resolved within 3 s")
    monkeypatch.setattr(names, "lookup", fails)
    with pytest.raises(Unreadable) as error:
        host_part(True, "n1")
    assert "NODENAME=rabbit@HOST" in error.value.reason


@pytest.mark.parametrize("value, yes", [
    ("1", True), ("yes", True), ("YES", True), ("true", True), ("True", True), ("' true '", True), ("yes # c", True),
    ("0", False), ("no", False), ("on", False), ("y", False), ("", False)])
def test_long_names(tmp_path, monkeypatch, value, yes):
    monkeypatch.setattr(module, "host_part", lambda long_names, hostname=None: "long" if long_names else "short")
    assert read(tmp_path, "USE_LONGNAME=%s\n" % value).nodename == "rabbit@" + ("long" if yes else "short")


# data

@pytest.mark.parametrize("text, base, directory", [
    ("", "/var/lib/rabbitmq/mnesia", "/var/lib/rabbitmq/mnesia/N"), ("MNESIA_BASE=/d/", "/d", "/d/N"),
    ("MNESIA_BASE=$MNESIA_BASE/x", "/var/lib/rabbitmq/mnesia/x", "/var/lib/rabbitmq/mnesia/x/N"),
    ("DATA=/srv\nMNESIA_BASE=$DATA/mnesia", "/srv/mnesia", "/srv/mnesia/N"),
    ("MNESIA_BASE=/d\nMNESIA_DIR=/e//f", "/d", "/e/f"), ("RABBITMQ_MNESIA_DIR=/e\nMNESIA_DIR=/x",
                                                          "/var/lib/rabbitmq/mnesia", "/e"),
])
def test_data(tmp_path, text, base, directory):
    found = read(tmp_path, text)
    assert (found.base, found.directory) == (base, directory.replace("N", found.nodename))
    assert found.feature_flags == "%s/%s-feature_flags" % (base, found.nodename)


@pytest.mark.parametrize("text, line", [
    ("MNESIA_BASE=$(something)\n", 4), ("\nMNESIA_BASE=$DATA/mnesia\n", 5), ("[ -d /x ] && MNESIA_DIR=/x\n", 4),
    ("NODENAME=rabbit@$(hostname -s)\n", 4), ("NODENAME=`cat x`\n", 4), ("USE_LONGNAME=$X\n", 4), (". /etc/other\n", 4),
    ("if true; then\nMNESIA_BASE=/x\nfi\n", 5),
])
def test_set_and_not_understood_names_file_and_line(tmp_path, text, line):
    with pytest.raises(Unreadable) as error:
        read(tmp_path, text)
    assert "rabbitmq-env.conf, line %d" % line in error.value.reason and "Write" in error.value.reason.replace(
        "Keep", "Write")


def test_a_parameter_goes_before_what_is_not_understood(tmp_path):
    found = read(tmp_path, "NODENAME=$(x)\nMNESIA_BASE=$(y)\n", Wanted("mq@n1", "/data/"))
    assert (found.nodename, found.directory) == ("mq@n1", "/data/mq@n1")


@pytest.mark.parametrize("text, wanted", [
    ("RABBITMQ_NODENAME=hare\n", Wanted("mq")), ("RABBITMQ_MNESIA_BASE=/x\n", Wanted(None, "/data")),
    ("RABBITMQ_MNESIA_DIR=/x\n", Wanted(None, "/data"))])
def test_a_prefixed_variable_of_the_file_goes_before_a_parameter(tmp_path, text, wanted):
    """The start script sources the file over the environment that it was given, so the parameter would not count."""
    with pytest.raises(Unreadable) as error:
        read(tmp_path, text, wanted)
    assert "goes before the parameter" in error.value.reason


def test_a_prefixed_variable_that_says_the_same_is_no_conflict(tmp_path):
    assert read(tmp_path, "RABBITMQ_NODENAME=mq\n", Wanted("mq")).nodename == "mq@" + SHORT


def test_a_running_broker_keeps_the_variables_that_it_started_with(tmp_path):
    environ = {"RABBITMQ_NODENAME": "old@n1", "MNESIA_BASE": "/b"}
    found = read(tmp_path, "RABBITMQ_NODENAME=new\nMNESIA_BASE=/c\n", environ=environ, running=True)
    assert (found.nodename, found.base) == ("old@n1", "/b")
    found = read(tmp_path, "RABBITMQ_NODENAME=new@n1\nMNESIA_BASE=/c\n", environ=environ)
    assert (found.nodename, found.base) == ("new@n1", "/c")


def test_a_directory_that_the_running_broker_shows_needs_no_file(tmp_path):
    found = read(tmp_path, "MNESIA_BASE=$(x)\n", Wanted("rabbit@n1", None, None, "/srv/rabbit@n1"))
    assert (found.base, found.directory) == ("/srv", "/srv/rabbit@n1")


# the distribution, and the cookie

@pytest.mark.parametrize("env, conf, terms, ports", [
    ("", "", "", (25672,)), ("NODE_PORT=5000\n", "", "", (25000,)), ("DIST_PORT=7000\nNODE_PORT=5000\n", "", "", (7000,)),
    ("", "listeners.tcp.1 = 5999\n", "", (25672,)),
    ("DIST_PORT=7000\n", "distribution.listener.port_range.min = 33101\ndistribution.listener.port_range.max = 33103\n",
     "", (33101, 33102, 33103)),
    ("DIST_PORT=7000\n", "distribution.listener.port_range.min = 33101\n",
     "[{kernel,[{inet_dist_listen_min,33001},{inet_dist_listen_max,33002}]}].", (33001, 33002)),
    ("", "", "[{kernel,[{inet_dist_listen_min,33001},{inet_dist_listen_max,65000}]}].", tuple(range(33001, 33009))),
])
def test_ports_of_the_distribution(tmp_path, env, conf, terms, ports):
    """Which goes first was seen of epmd beside a broker 3.10.8 with all of them."""
    assert read(tmp_path, env, rabbitmq_conf=conf, advanced_config=terms).distribution_ports() == ports


@pytest.mark.parametrize("text, wanted", [
    ("", None), ("ERLANG_COOKIE=abc\n", "abc"), ("RABBITMQ_ERLANG_COOKIE=p\nERLANG_COOKIE=abc\n", "p"),
    ("SERVER_ADDITIONAL_ERL_ARGS='-setcookie xyz +P 1'\n", "xyz"), ("SERVER_ERL_ARGS='-setcookie x'\n", "x"),
    ("SERVER_ADDITIONAL_ERL_ARGS='-setcookie xyz'\nERLANG_COOKIE=abc\n", "abc"), ("SERVER_ERL_ARGS='+P 1'\n", None)])
def test_cookie_by_a_variable(tmp_path, text, wanted):
    """The values are those with which a broker 3.10.8 answered."""
    (tmp_path / "env").write_text(text)
    assert module.cookie(Variables(path=str(tmp_path / "env"))) == wanted


# log

@pytest.mark.parametrize("text, conf, log", [
    ("", "", "/var/log/rabbitmq/N.log"), ("LOG_BASE=/l\n", "", "/l/N.log"), ("LOGS=/l/x.log\n", "", "/l/x.log"),
    ("LOGS=-\n", "", None), ("LOGS=/dev/stdout\n", "", None), ("LOGS=//dev/stderr\n", "", None),
    ("", "log.file = /dev/stdout\n", None), ("LOG_BASE=/dev\n", "", None), ("LOGS=/device/x\n", "", "/device/x"),
    ("LOGS=-stderr\n", "", None),
    ("", "log.file = rabbit.log\n", "/var/log/rabbitmq/rabbit.log"),
    ("", "log.file = /x/rabbit.log\n", "/x/rabbit.log"), ("", "log.file = false\n", None),
    ("", "log.dir = /y\n", "/y/N.log"), ("LOG_BASE=/l\n", "log.dir = /y\n", "/l/N.log"),
])
def test_log(tmp_path, text, conf, log):
    found = read(tmp_path, text, rabbitmq_conf=conf)
    assert found.log == (log and log.replace("N", found.nodename))


@pytest.mark.parametrize("line", [
    "log.dir = $(LOGDIR)", "log.file = /l/$(x).log", "distribution.listener.port_range.min = $(PORT)",
    "distribution.listener.port_range.max = $(<port)", "management.path_prefix = /$(x)", "management.tcp.ip = $(IP)"])
def test_what_rabbitmq_fills_in_is_a_problem_and_no_value(tmp_path, line):
    """Else a relative path, a default port and an address of that name came of it, without a word."""
    found = read(tmp_path, "", rabbitmq_conf="a = b\n%s\n" % line)
    assert "rabbitmq.conf, line 2: RabbitMQ fills in" in found.problem
    assert "$" not in repr(found._replace(problem=None, configured=found.configured._replace(problem=None)))
    assert found.log.startswith("/var/log/rabbitmq/") and found.distribution == 25672
    fine = read(tmp_path, "", rabbitmq_conf="a = $(b)\nmanagement.tcp.cors = $(c)\n")
    assert fine.problem is None, "what is not needed may be anything"


def test_a_log_that_is_not_understood_is_a_problem_and_no_error(tmp_path):
    found = read(tmp_path, "LOG_BASE=$(x)\n")
    assert "LOG_BASE" in found.problem and found.log.endswith(".log")


# which files

def test_files_in_their_order(tmp_path):
    found = read(tmp_path, "", rabbitmq_conf="listeners.tcp.1 = 1001\nlisteners.tcp.2 = 1002\n")
    assert found.configured.amqp == (Listener(None, 1001, False), Listener(None, 1002, False))
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "b.conf").write_text("listeners.tcp.1 = 2001\n")
    (tmp_path / "conf.d" / "c.conf").write_text("listeners.tcp.1 = 3001\n")
    ports = [one.port for one in read(tmp_path, "").configured.amqp]
    assert sorted(ports) == [1002, 3001]


def test_the_classic_file_goes_before_the_new_one(tmp_path):
    found = read(tmp_path, "", rabbitmq_conf="listeners.tcp.1 = 1001\n",
                 rabbitmq_config="[{rabbit, [{tcp_listeners, [{\"192.0.2.1\", 5673}]}]}].\n",
                 advanced_config="[{rabbit, [{tcp_listeners, [1]}]}].")
    assert found.configured.amqp == (Listener("192.0.2.1", 5673, False),)


def test_advanced_replaces_the_key(tmp_path):
    found = read(tmp_path, "", rabbitmq_conf="listeners.tcp.1 = 1001\nlisteners.ssl.1 = 1002\n",
                 advanced_config="%% c\n[{rabbit, [{tcp_listeners, []}]}].")
    assert found.configured.amqp == (Listener(None, 1002, True),)


@pytest.mark.parametrize("name, content", [
    ("advanced_config", "[{rabbit, [{tcp_listeners, fun x/1}]}]."), ("rabbitmq_conf", "a = 1\nnonsense\n"),
    ("rabbitmq_conf", "a = 1\nlisteners.tcp.1 = host:port\n")])
def test_a_file_that_is_not_understood_is_named_with_its_line(tmp_path, name, content):
    found = read(tmp_path, "", **{name: content})
    assert "%s, line %d" % (tmp_path / name.replace("_", "."), content.count("\n") or 1) in found.problem


# listeners

@pytest.mark.parametrize("env, conf, amqp", [
    ("", "", [(None, 5672, False)]), ("NODE_PORT=5000\n", "", [(None, 5000, False)]),
    ("NODE_IP_ADDRESS=192.0.2.11\n", "", [("192.0.2.11", 5672, False)]),
    ("NODE_IP_ADDRESS=auto\n", "", [(None, 5672, False)]),
    ("NODE_IP_ADDRESS=192.0.2.11\n", "listeners.tcp.1 = 5673\n", [(None, 5673, False)]),
    ("", "listeners.tcp.1 = 192.0.2.11:5672\n", [("192.0.2.11", 5672, False)]),
    ("", "listeners.tcp.1 = 192.0.2.11:5672 # ours\nlisteners.tcp.2=127.0.0.1:5672\n",
     [("192.0.2.11", 5672, False), ("127.0.0.1", 5672, False)]),
    ("", "listeners.tcp.1 = :::5672\n", [(None, 5672, False)]),
    ("", "listeners.tcp.1 = ::1:5672\n", [("::1", 5672, False)]),
    ("", "listeners.tcp = none\nlisteners.ssl.default = 5671\n", [(None, 5671, True)]),
    ("", "listeners.ssl.default = 5671\n", [(None, 5672, False), (None, 5671, True)]),
    ("", "listeners.tcp = none\n", []),
])
def test_amqp(tmp_path, env, conf, amqp):
    assert list(read(tmp_path, env, rabbitmq_conf=conf).configured.amqp) == [Listener(*one) for one in amqp]


@pytest.mark.parametrize("conf, terms, wanted, path", [
    ("", "", [(None, 15672, False)], ""), ("management.tcp.port = 15673\n", "", [(None, 15673, False)], ""),
    ("management.tcp.ip = 192.0.2.11\n", "", [("192.0.2.11", 15672, False)], ""),
    ("management.ssl.port = 15671\nmanagement.path_prefix = /mq/\n", "", [(None, 15671, True)], "/mq"),
    ("management.ssl.port = 15671\nmanagement.tcp.port = 1\n", "", [(None, 1, False), (None, 15671, True)], ""),
    ("management.listener.port = 2\nmanagement.listener.ssl = true\n", "", [(None, 2, True)], ""),
    ("", "[{rabbitmq_management, [{listener, [{port, 3}, {ip, \"192.0.2.1\"}, {ssl, true}]}, {path_prefix, \"/q\"}]}].",
     [("192.0.2.1", 3, True)], "/q"),
])
def test_management(tmp_path, conf, terms, wanted, path):
    found = read(tmp_path, "", rabbitmq_conf=conf, advanced_config=terms).configured
    assert (list(found.management), found.path) == ([Listener(*one) for one in wanted], path)


def test_ports_of_plugins_are_not_for_amqp(tmp_path):
    found = read(tmp_path, "", rabbitmq_conf="mqtt.listeners.tcp.default = 1000\nprometheus.tcp.port = 1001\n"
                                             "stomp.listeners.tcp.1 = 192.0.2.1:1002\n",
                 advanced_config="[{rabbitmq_stream, [{tcp_listeners, [1003]}]}].").configured.others
    assert {1000, 1001, 1002, 1003, 15692} <= found
