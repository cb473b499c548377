# SPDX-License-Identifier: Apache-2.0
"""Configuration files, URLs, command lines and process lists of OpenStack services, parsed."""

import subprocess
import sys

import pytest

from quorate.host.connections import Socket
from quorate.host.process import Process
from quorate.openstack import catalog
from quorate.openstack.facts import Address
from quorate.openstack.service import parse
from quorate.openstack.service.options import Options, read

CINDER = """\
[DEFAULT]
# transport_url = rabbit://nobody
my_ip = 10.0.0.1
transport_url = rabbit://open%40stack:p%3Aw@n1:5672,openstack:x@[fd00::2]:5673/cin%2Fder?ssl=1
enabled_backends = fast, slow,
  , fast
host: ha-$my_ip
[database]
connection = mysql+pymysql://cinder:s%23cret@vip:3307/cinder?charset=utf8
[slow]
backend_host = "other"
"""


def settings(text, service=catalog.CINDER_VOLUME, hostname="n1"):
    return parse.settings(Options([read(text)]), service, hostname)


def test_settings_of_cinder():
    found = settings(CINDER)

    assert ("ha-10.0.0.1", (("fast", "ha-10.0.0.1"), ("slow", "other"))) == (found.host, found.backends)
    assert (Address("n1", 5672, "open@stack", "p:w", "cin/der", True),
            Address("fd00::2", 5673, "openstack", "x", "cin/der", True)) == found.brokers
    assert ("vip", 3307, "cinder", "s#cret", "cinder") == found.database[:5]
    assert found.exchange == "openstack" and found.cluster is None


def test_no_password_is_shown():
    found = settings(CINDER)

    assert "s#cret" not in repr(found) and "p:w" not in repr(found)


def test_the_host_is_the_machines_name_by_default():
    assert "n1" == settings("[DEFAULT]\n").host
    assert "n7" == settings("[DEFAULT]\nhost = \n", hostname="n7").host


def test_what_refers_to_nothing_is_unknown_and_named():
    """The address of the machine is known to Nova, and to nobody else."""
    found = settings("[DEFAULT]\nhost = $my_ip\ntransport_url = rabbit://u:$ecret@h\n[database]\n"
                     "connection=mysql://$x@h")

    assert (None, (), None) == (found.host, found.brokers, found.database)
    assert all(word in " ".join(found.problems)
               for word in ("$my_ip", "transport_url refers", "[database] connection refers"))
    assert "ecret" not in " ".join(found.problems)


def test_a_backend_of_an_unknown_host_makes_all_names_unknown():
    assert () == settings("[DEFAULT]\nenabled_backends = a,b\n[a]\nbackend_host = $nothing\n").backends


@pytest.mark.parametrize("text, logs", [
    ("", False), ("log_dir = /var/log/x", True), ("logfile=x", True), ("use_syslog = False", False),
    ("use_journal=true", True), ("log_config_append = /x", True), ("log_dir =", False)])
def test_whether_it_says_where_it_logs(text, logs):
    assert logs == settings("[DEFAULT]\n%s\n" % text).logs


def test_engines():
    assert 3 == settings("[DEFAULT]\nnum_engine_workers = 3", catalog.HEAT_ENGINE).workers
    assert settings("[DEFAULT]\nnum_engine_workers = 0", catalog.HEAT_ENGINE).workers is None
    found = settings("[DEFAULT]\nperiodic_interval = 30\n", catalog.HEAT_ENGINE)
    assert (30.0, 60.0) == (found.interval, found.down)


@pytest.mark.parametrize("line", [
    "report_interval = 0", "report_interval = -1", "report_interval = ten", "report_interval =", "report_interval = 10.5",
    "report_interval = $interval", "report_interval = $report_interval", "service_down_time = 1m", "service_down_time ="])
def test_intervals_that_are_not_understood_are_named(line):
    """The default in their place restarted services that report more seldom."""
    found = settings("[DEFAULT]\n" + line)
    name, _, value = line.partition(" =")

    assert (None, None) == (found.interval, found.down)
    assert 1 == len(found.problems) and name in found.problems[0] and value.strip().strip("$") in found.problems[0]


def test_an_interval_by_another_option():
    found = settings("[DEFAULT]\nreport_interval = ${often}\nservice_down_time = $group.down\noften = 20\n[group]\ndown=90")
    assert (20.0, 90.0, ()) == (found.interval, found.down, found.problems)


def test_a_down_time_that_is_not_above_the_interval_is_named():
    found = settings("[DEFAULT]\nservice_down_time = 5")
    assert (10.0, 25.0) == (found.interval, found.down)
    assert ["service_down_time = 5 is not above report_interval = 10, so the service takes 25 for it"] == list(found.problems)


@pytest.mark.parametrize("line, service, name", [
    ("[DEFAULT]\nperiodic_interval = 0", catalog.HEAT_ENGINE, "periodic_interval"),
    ("[DEFAULT]\nnum_engine_workers = many", catalog.HEAT_ENGINE, "num_engine_workers"),
    ("[DEFAULT]\nnum_engine_workers = -1", catalog.HEAT_ENGINE, "num_engine_workers"),
    ("[DEFAULT]\nssl_only = perhaps", catalog.NOVA_NOVNCPROXY, "ssl_only"),
    ("[vnc]\nnovncproxy_port = six", catalog.NOVA_NOVNCPROXY, "novncproxy_port"),
    ("[vnc]\nnovncproxy_port = -1", catalog.NOVA_NOVNCPROXY, "novncproxy_port")])
def test_other_values_that_are_not_understood_are_named(line, service, name):
    found = settings(line, service)
    assert 1 == len(found.problems) and name in found.problems[0]


@pytest.mark.parametrize("text, down", [
    ("", 60), ("report_interval = 300", 750), ("report_interval = 60", 150), ("report_interval = 59", 60),
    ("service_down_time = 5", 25), ("report_interval = 300\nservice_down_time = 400", 400)])
def test_a_service_that_reports_seldom_is_not_down_between_two_reports(text, down):
    """Cinder then raises service_down_time itself; without that a healthy one was restarted again and again."""
    assert down == settings("[DEFAULT]\n%s\n" % text).down


def test_the_proxy():
    found = settings("[DEFAULT]\nssl_only=true\n[vnc]\nnovncproxy_port = 6090\nnovncproxy_host=10.0.0.9",
                     catalog.NOVA_NOVNCPROXY)

    assert (("10.0.0.9", 6090), True) == (found.listen, found.tls)


@pytest.mark.parametrize("line, answer", [
    ("/usr/bin/python3 /usr/bin/cinder-volume --config-file=/etc/cinder/cinder.conf", True),
    ("/usr/bin/python3 -s /usr/bin/cinder-volume --config-file /etc/cinder/cinder.conf --log-file=x", True),
    ("/usr/bin/cinder-volume", None), ("/usr/bin/python3 /usr/bin/cinder-volume", True),
    ("/usr/bin/python3 /usr/bin/cinder-volume --config-file=/etc/cinder/other.conf", False),
    ("/usr/libexec/platform-python -s /usr/bin/cinder-volume --config-file=/etc/cinder/cinder.conf", True),
    ("/usr/bin/python3 -W ignore -X dev /usr/bin/cinder-volume", True),
    ("/usr/bin/python3 -W /usr/bin/cinder-volume", False),
    ("timeout 9 su -c cinder-volume", False),
    ("vi /usr/bin/cinder-volume", False),
    ("/bin/sh /etc/init.d/cinder-volume systemd-start", False),
    ("/usr/bin/python3 /usr/bin/privsep-helper --config-file /etc/cinder/cinder.conf", False),
    ("/usr/bin/python3 /usr/bin/cinder-volume-usage-audit", False),
    ("/usr/bin/python3 -I /usr/lib/ocf/resource.d/quorate/cinder-volume monitor", False),
    ("/usr/bin/python3 -I /usr/lib/ocf/resource.d/quorate/cinder-volume", False),
    ("/usr/bin/python3 -I /home/me/quorate/agents/cinder-volume stop", False),
    ("/usr/bin/python3 /usr/bin/cinder-volume monitor", False),
    ("mariadbd", False),
    ("", False)])
def test_which_processes_run_it(line, answer):
    assert answer == parse.is_service(tuple(line.split()), catalog.CINDER_VOLUME, "/etc/cinder/cinder.conf")


def test_a_process_that_has_renamed_itself():
    """Whose it is, it says no more."""
    assert parse.is_service(("cinder-volume: worker (x)",), catalog.CINDER_VOLUME, "/etc/cinder/cinder.conf") is None
    assert parse.is_service(("cinder-volume: worker (x)",), catalog.CINDER_VOLUME, None) is True


LINKS = {"/srv/c/cinder.conf": "/etc/cinder/cinder.conf", "/etc/b/cinder.conf": "/data/b/cinder.conf", "/etc/b": "/data/b"}


# Without a file on its command line it reads the usual one, and what its directories hold.
@pytest.mark.parametrize("words, config, answer", [
    ("", "/etc/cinder/cinder.conf", True), ("", "/srv/c/cinder.conf", True), ("", "/etc/cinder/nfs.conf", False),
    ("--log-file=x", "/etc/cinder/nfs.conf", False), ("--config-dir /etc/b", "/etc/cinder/nfs.conf", False),
    ("--config-dir /etc/b", "/etc/b/cinder.conf", True), ("--config-dir=/data/b", "/etc/b/cinder.conf", True),
    ("--config-dir /etc/b", "/etc/cinder/cinder.conf", True), ("--config-dir=/etc", "/etc/b/cinder.conf", False),
    ("--config-file=/etc/cinder/cinder.conf", "/srv/c/cinder.conf", True),
    ("--config-file=/srv/c/cinder.conf", "/etc/cinder/cinder.conf", True),
    ("--config-file=/etc/b/cinder.conf", "/etc/cinder/cinder.conf", False),
    ("--config-file=/x --config-dir=/etc/b", "/etc/b/cinder.conf", False),
    ("--config-file=/x", "/etc/cinder/cinder.conf", False),
    ("--config-file=/usr/share/cinder/cinder-dist.conf --config-dir=/etc/b", "/etc/b/cinder.conf", True),
    ("--config-file=/usr/share/cinder/cinder-dist.conf", "/etc/cinder/cinder.conf", False)])
def test_whose_process_it_is(words, config, answer):
    argv = ("/usr/bin/python3", "/usr/bin/cinder-volume", *words.split())
    assert answer is parse.is_service(argv, catalog.CINDER_VOLUME, config, None, lambda path: LINKS.get(path, path))


def test_relative_paths_begin_at_the_working_directory():
    argv = ("cinder-volume", "--config-file", "c.conf", "--config-dir=/d", "--config-dir=d")
    assert (("file", "/w/c.conf"), ("directory", "/d"), ("directory", "/w/d")) == parse.config_options(argv, "/w")
    assert ("file", "c.conf") == parse.config_options(argv)[0]


# As Python itself reads its command line.
@pytest.mark.parametrize("options", [
    "", "-s", "-I -S", "-W ignore", "-Wignore", "-sW ignore", "-X dev", "-Xdev", "-X utf8 -W error::ImportWarning -B",
    "-bWignore", "--check-hash-based-pycs never", "-EX utf8"])
def test_the_program_of_an_interpreter(options, tmp_path):
    script = tmp_path / "cinder-volume"
    script.write_text("import sys; sys.stdout.write(sys.argv[0])")
    argv = [sys.executable, *options.split(), str(script), "-W"]
    theirs = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert str(script) == theirs == parse.program(tuple(argv))


def test_a_program_by_its_path():
    """Only that very program, and whatever has the service's own name: never another one that shares the last word."""
    argv = ("/usr/sbin/mariadbd",)

    assert not parse.is_service(argv, catalog.CINDER_VOLUME, "/etc/cinder/cinder.conf", "/opt/sbin/mariadbd")
    assert False is not parse.is_service(("/opt/x/cv",), catalog.CINDER_VOLUME, "/etc/cinder/cinder.conf", "/opt/x/cv")


def process(pid, ppid, start=None):
    return Process(pid, ppid, start or pid, "S", ("cinder-volume",))


def test_tree_of_a_parent_and_its_workers():
    found = parse.tree([process(10, 1), process(11, 10), process(12, 10), process(13, 12)])

    assert (10, [11, 12], (), ()) == (found.parent.pid, [one.pid for one in found.workers], found.orphans, found.copies)


def test_tree_without_its_parent():
    """Workers of a parent that is gone do not lead their process group."""
    found = parse.tree([process(11, 1), process(12, 1)])

    assert found.parent is None and [11, 12] == [one.pid for one in found.orphans]


def test_tree_with_a_second_copy():
    one = [process(10, 1), process(11, 10), process(20, 1), process(21, 20)]

    assert (10, [20]) == (parse.tree(one).parent.pid, [copy.pid for copy in parse.tree(one).copies])
    assert (20, [10]) == (parse.tree(one, 20).parent.pid, [copy.pid for copy in parse.tree(one, 20).copies])


def test_tree_of_one_that_works_alone():
    found = parse.tree([process(10, 1), process(11, 10)], None, frozenset((10,)), True)

    assert (10, [10]) == (found.parent.pid, [one.pid for one in found.workers])


def test_settings_that_nobody_made_are_the_services_own():
    cinder, heat, proxy = (settings("[DEFAULT]\n", one) for one in (
        catalog.CINDER_VOLUME, catalog.HEAT_ENGINE, catalog.NOVA_NOVNCPROXY))

    assert cinder.readable is True and () == cinder.problems == heat.problems == proxy.problems
    assert (10.0, 60.0) == (cinder.interval, cinder.down) and (60.0, 120.0) == (heat.interval, heat.down)
    assert (("0.0.0.0", 6080), False) == (proxy.listen, proxy.tls) and cinder.listen is cinder.tls is None
    assert "openstack" == cinder.exchange and "heat" == heat.exchange and cinder.cluster is heat.workers is None


@pytest.mark.parametrize("line, service, name, value", [
    ("cluster = c1", catalog.CINDER_VOLUME, "cluster", "c1"), ("cluster = c1", catalog.HEAT_ENGINE, "cluster", None),
    ("enabled_backends = a", catalog.HEAT_ENGINE, "backends", ()), ("num_engine_workers = 3", catalog.CINDER_VOLUME, "workers", None),
    ("num_engine_workers = 1", catalog.HEAT_ENGINE, "workers", 1), ("report_interval = 1", catalog.CINDER_VOLUME, "interval", 1.0),
    ("periodic_interval = 1", catalog.HEAT_ENGINE, "interval", 1.0), ("control_exchange = x", catalog.HEAT_ENGINE, "exchange", "x"),
    ("novncproxy_port = 6090\nnovncproxy_host = h", catalog.NOVA_NOVNCPROXY, "listen", ("h", 6090)),
    ("novncproxy_port = 0", catalog.NOVA_NOVNCPROXY, "listen", ("0.0.0.0", 6080)),
    ("ssl_only = 1", catalog.NOVA_NOVNCPROXY, "tls", True), ("use_eventlog = yes", catalog.CINDER_VOLUME, "logs", True)])
def test_an_option_is_that_of_its_service(line, service, name, value):
    """By its deprecated place too: the proxy's options were in [DEFAULT]."""
    found = settings("[DEFAULT]\n" + line, service)
    assert value == getattr(found, name) and () == found.problems


@pytest.mark.parametrize("section", ["DEFAULT", "slow", "Slow"])
def test_the_section_of_a_backend_is_found_in_any_case_but_default(section):
    text = "[DEFAULT]\nenabled_backends = %s\n[%s]\nbackend_host = other\n[default]\nbackend_host = no\n" % (section, section)
    assert ((section, "other"),) == settings(text).backends


@pytest.mark.parametrize("section, option", [
    ("database", "connection"), ("DEFAULT", "sql_connection"), ("database", "sql_connection"), ("sql", "connection")])
def test_where_the_database_is_by_each_name_of_the_option(section, option):
    found = settings("[%s]\n%s = mysql://u:p@h:3307/d\n[database]\nconnection_parameters = ssl_ca=/ca" % (section, option))
    assert ("h", 3307) == found.database[:2] and (("ca", "/ca"),) == found.database.certificates


@pytest.mark.parametrize("names", [("ssl", "ssl_ca_file", "ssl_cert_file", "ssl_key_file"), (
    "rabbit_use_ssl", "kombu_ssl_ca_certs", "kombu_ssl_certfile", "kombu_ssl_keyfile")])
def test_tls_of_the_broker_by_each_name_of_its_options(names):
    lines = "\n".join("%s = %s" % pair for pair in zip(names, ("true", "/ca", "/cert", "/key")))
    found = settings("[DEFAULT]\ntransport_url = rabbit://h\n[oslo_messaging_rabbit]\n" + lines).brokers[0]
    assert found.tls and (("ca", "/ca"), ("cert", "/cert"), ("key", "/key"), ("check_hostname", False)) == found.certificates
    more = "\nssl_enforce_hostname_verification = true"
    found = settings("[DEFAULT]\ntransport_url = rabbit://h\n[oslo_messaging_rabbit]\n" + lines + more).brokers[0]
    assert ("check_hostname", True) == found.certificates[-1]


def test_urls_that_are_not_understood_are_problems():
    found = settings("[DEFAULT]\ntransport_url = rabbit://h:x\n[database]\nconnection = mysql://h:x/d")
    assert ((), None) == (found.brokers, found.database) and 2 == len(found.problems)
    assert found.problems[0].startswith("transport_url: its port is no number")
    assert found.problems[1].startswith("[database] connection: its port is no number")


@pytest.mark.parametrize("line, binary, answer", [
    ("python3 -V", None, False), ("python3", None, False), ("/usr/bin/cinder-volume --config-file", None, True),
    ("/usr/bin/cinder-volume --config-dir", None, True), ("/home/me/quorate/agents/cinder-volume", None, False),
    ("/opt/cv", "cv", True), ("/opt/cinder-volume", "cv", True), ("/opt/other", "cv", False), ("/opt/other", None, False),
    ("/opt/x/cinder-volume", "/opt/x/cv", True), ("pypy3 /opt/cv --config-file=/c", "cv", True),
    ("/opt/cv --config-file=/d --config-file=/c", "cv", True), ("/opt/cv --config-file=/d", "cv", False)])
def test_a_program_of_another_name_and_a_line_that_is_cut(line, binary, answer):
    assert answer is (parse.is_service(tuple(line.split()), catalog.CINDER_VOLUME, "/c", binary) is not False)


def test_the_oldest_parent_is_the_service_and_a_later_one_the_copy():
    """Pids begin anew: the copy may have the lower one."""
    found = parse.tree([process(10, 1, 900), process(11, 10, 901), process(20, 1, 500), process(22, 20, 502),
                        process(21, 20, 503)])
    assert (20, [21, 22], [10]) == (
        found.parent.pid, [one.pid for one in found.workers], [one.pid for one in found.copies])


def test_of_orphans_alone_nothing_else_is_said():
    assert parse.Tree(None, (), (process(11, 1),), ()) == parse.tree([process(11, 1)])


def test_connections_are_counted_by_where_they_lead():
    sockets = [Socket("established", 40000 + number, port, number) for number, port in enumerate((5672, 5671, 5672, 3306, 80))]
    listeners = [Socket("listen", 6080, 0, 90), Socket("listen", 9999, 0, 91)]
    assert parse.Sockets(3, 1, frozenset((6080, 9999))) == parse.count(sockets + listeners, {5671, 5672}, 3306)
    assert parse.Sockets(None, None, None) == parse.count(None, {5672}, 3306)
