# SPDX-License-Identifier: Apache-2.0
"""What the server is told, as it says itself, and what an answer that does not come means."""

import os

import pytest

from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.settings import command_line
from quorate.galera import facts
from quorate.galera.server.settings.layout import (
    FREE_LEAST, Layout, account, find_layout, full_file_system, galera_problems, layout_problems, listening_units,
    server_program)
from quorate.galera.server.settings.options import Options, Provider
from quorate.ocf import codes
from quorate.ocf.codes import Failed
from tests import fakes

SERVER = "/bin/true"
TABLE = {"datadir": "/srv/db/", "log-error": "/srv/log/error.log", "socket": "/run/x.sock", "pid-file": "x.pid",
         "innodb-flush-log-at-trx-commit": "1", "wsrep-on": "TRUE", "wsrep-provider": "/usr/lib/galera/libgalera_smm.so",
         "wsrep-sst-method": "rsync", "wsrep-node-address": "", "wsrep-provider-options": ""}


def asked(answer, **values):
    """A context whose server answers so; answer: settings that differ, or how the command ends."""
    values.setdefault("wsrep_cluster_address", "gcomm://n1,n2")
    context = fakes.context(parameters=PARAMETERS, binary=SERVER, **values)
    ends = answer if "rc" in answer or "takes" in answer else {"out": "usage\n----- ---\n" + "".join(
        "%-60s %s\n" % item for item in dict(TABLE, **{key.replace("_", "-"): text for key, text in answer.items()}).items())}
    context.commands.allow(SERVER, ..., **ends)
    return context


def test_what_is_told_on_the_command_line_is_in_the_look_up():
    context = asked({}, user="galera", datadir="/srv/two", config="/etc/hosts",
                    additional_parameters="--innodb_log_group_home_dir='/srv/re do' --defaults-group-suffix=_2")
    layout = find_layout(context)

    assert (SERVER, "--defaults-file=/etc/hosts", "--defaults-group-suffix=_2", "--innodb_log_group_home_dir=/srv/re do",
            "--user=galera", "--datadir=/srv/two", "--wsrep_cluster_address=gcomm://", "--verbose", "--help"
            ) == context.commands.calls[0]
    assert Options(("--defaults-group-suffix=_2",), ("--innodb_log_group_home_dir=/srv/re do",)) == layout.options
    assert ("/srv/two", "/run/x.sock", "/srv/two/x.pid") == (layout.datadir, layout.socket, layout.pid)


def test_all_that_the_server_says(tmp_path):
    context = asked({"pid_file": "/run/x.pid", "socket": "x.sock", "wsrep_on": "(No default value)"}, user="galera",
                    group="db", config="/etc/hosts")

    assert (SERVER, "/etc/hosts", "/srv/db", "/srv/db/x.sock", "/run/x.pid", "/srv/log/error.log", "galera", "db", "1",
            None, TABLE["wsrep-provider"], "rsync", Options(), Provider(), None) == find_layout(context)[:15]


def test_parameters_go_before_what_the_server_says():
    layout = find_layout(asked({}, datadir="/srv/two/", socket="two.sock", pid="/run/two.pid", log="two"))

    assert ("/srv/two", "/srv/two/two.sock", "/run/two.pid", "/srv/two/two") == (
        layout.datadir, layout.socket, layout.pid, layout.log)


def test_what_the_server_does_not_say_is_where_packages_have_it():
    layout = find_layout(asked({"datadir": "/", "socket": "(No default value)", "pid_file": ""}))

    assert ("/", "/run/mysqld/mysqld.sock", "/run/mysqld/mysqld.pid") == (layout.datadir, layout.socket, layout.pid)


INNODB = {"innodb_data_file_path": "ibdata1:12M;more/ibdata2:12M:autoextend", "innodb_undo_directory": "/srv/undo/",
          "innodb_data_home_dir": "(No default value)", "innodb_log_group_home_dir": "./"}


@pytest.mark.parametrize("answer, expected, redo", [
    ({}, None, None), (INNODB, {"/srv/db", "/srv/undo", "/srv/db/ibdata1", "/srv/db/more/ibdata2"}, "/srv/db"),
    (dict(INNODB, innodb_data_home_dir="/srv/home", innodb_log_group_home_dir="redo", innodb_data_file_path=""),
     {"/srv/db", "/srv/undo", "/srv/home", "/srv/db/redo", "/srv/home/ibdata1"}, "/srv/db/redo"),
    (dict(INNODB, innodb_data_home_dir="home", innodb_log_group_home_dir="/srv/redo/", innodb_undo_directory=""),
     {"/srv/db", "/srv/redo", "/srv/db/home", "/srv/db/home/ibdata1", "/srv/db/home/more/ibdata2"}, "/srv/redo"),
    (dict(INNODB, innodb_log_group_home_dir="(No default value)"),
     {"/srv/db", "/srv/undo", "/srv/db/ibdata1", "/srv/db/more/ibdata2"}, "/srv/db")])
def test_where_innodb_keeps_what_belongs_to_the_data(answer, expected, redo):
    layout = find_layout(asked(answer))

    assert expected == (None if layout.innodb is None else set(layout.innodb)) and redo == layout.redo
    assert layout.innodb is None or list(layout.innodb) == sorted(layout.innodb)


@pytest.mark.parametrize("there", [True, False])
def test_without_a_log_of_its_own_it_is_where_the_package_logs(tmp_path, monkeypatch, there):
    logs = str(tmp_path / "logs")
    if there:
        os.mkdir(logs)
    monkeypatch.setattr("quorate.galera.server.settings.layout.LOG_DIRECTORIES", (str(tmp_path / "none"), logs))

    assert (logs if there else "/srv/db") + "/error.log" == find_layout(asked({"log_error": "/dev/stderr"})).log


def test_the_configuration_file_is_on_every_node():
    with pytest.raises(Failed, match="The configuration file /no/my.cnf .parameter config. does not exist") as failed:
        find_layout(asked({}, config="/no/my.cnf"))

    assert codes.ERR_INSTALLED == failed.value.code


@pytest.mark.parametrize("binary, path", [
    ("{tmp}/server", "{tmp}/server"), ("true", "/usr/bin/true"), ("mysqld_safe", "{tmp}/mysqld"),
    ("/usr/bin/mariadbd-safe", "{tmp}/mysqld"), ("", "{tmp}/mysqld"), ("{tmp}/none", None), ("{tmp}/text", None),
    ("no-such-server", None)])
def test_the_program_of_the_server(tmp_path, monkeypatch, binary, path):
    """The old agent's default, a script around the server, means: the server."""
    for name, mode in (("server", 0o755), ("mysqld", 0o755), ("text", 0o644)):
        (tmp_path / name).touch(mode)
    monkeypatch.setattr("quorate.galera.server.settings.layout.SERVERS", tuple(
        str(tmp_path / name) for name in ("none", "text", "mysqld", "server")))
    binary = binary.format(tmp=tmp_path)
    parameters = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", binary=binary).parameters
    if path:
        assert path.format(tmp=tmp_path) == server_program(parameters)
        return
    with pytest.raises(Failed) as failed:
        server_program(parameters)
    assert (codes.ERR_INSTALLED, "There is no program %s (parameter binary)." % binary) == (
        failed.value.code, failed.value.reason)


def test_a_machine_without_a_server(monkeypatch):
    monkeypatch.setattr("quorate.galera.server.settings.layout.SERVERS", ("/no/mariadbd",))
    with pytest.raises(Failed, match="install mariadb-server") as failed:
        server_program(fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", binary="").parameters)

    assert codes.ERR_INSTALLED == failed.value.code


@pytest.mark.parametrize("log, expected", [
    ("/srv/log/error.log", "/srv/log/error.log"), ("name", "/srv/db/name.err"), ("/dev/stderr", None), ("/dev/null", None)])
def test_the_error_log_is_a_file_that_can_be_read(log, expected):
    """Of /dev/stderr it asked for a directory /dev that the server's user may write to."""
    found = find_layout(asked({"log_error": log})).log

    assert found == expected if expected else os.path.isabs(found) and not found.startswith("/dev/")


def test_a_plugin_with_the_name_of_a_setting_is_not_the_setting():
    """MariaDB 11.8 prints 'wsrep-provider  ON' for its plugin first: a server without Galera looked as if it had one."""
    rows = "----\ndatadir  /srv/db/\nwsrep-provider  ON\nwsrep-provider  none\nwsrep-on  TRUE\n\nTo see what values\n"
    found = find_layout(asked({"rc": 0, "out": rows}))

    assert ("none", "TRUE") == (found.provider, found.wsrep_on)


def test_only_the_table_is_read_and_of_a_repeated_name_the_first():
    rows = ("datadir  /from/the/usage\n--datadir=name  Path\n--- ---\nx\nt e\n continued  here\n\ndatadir  /srv/db/\n"
            "socket  /run/a.sock\nsocket  /run/b.sock\n")
    found = find_layout(asked({"rc": 0, "out": rows}))

    assert ("/srv/db", "/run/a.sock") == (found.datadir, found.socket)


UNKNOWN = "0 [ERROR] mariadbd: unknown variable '%s=3'\n0 [ERROR] Aborting\n"


@pytest.mark.parametrize("name, advice", [
    ("wsrep-provider-pc-weight", "put it into wsrep_provider_options"), ("wsrep-foo", "grep -rn wsrep.foo /etc/my*"),
    ("foo-provider", "grep -rn foo.provider /etc/my*")])
def test_a_setting_of_the_provider_has_another_place(name, advice):
    with pytest.raises(Failed) as failed:
        find_layout(asked({"rc": 7, "err": UNKNOWN % name}))

    assert "true refuses its configuration: The server knows no setting %s: %s" % (name, advice) == failed.value.reason


@pytest.mark.parametrize("answer, code, words", [
    ({"rc": 125, "err": "no"}, codes.ERR_ARGS, "no"), ({"rc": 126, "err": "no"}, codes.ERR_GENERIC, "no"),
    ({"rc": 7, "err": "0 [ERROR] mariadbd: unknown variable 'wsrep-provider-pc-weight=3'\n0 [ERROR] Aborting\n"}, codes.ERR_ARGS,
     "put it into wsrep_provider_options"),
    ({"rc": 7, "err": "0 [ERROR] mariadbd: unknown variable 'foo=1'\n0 [ERROR] Aborting\n"}, codes.ERR_ARGS, "foo"),
    ({"rc": 1, "err": "error: Found option without preceding group in config file: /x at line: 1\n"
                      "Fatal error in defaults handling. Program aborted\n"}, codes.ERR_ARGS, "line 1 is in no section"),
    ({"rc": 0}, codes.ERR_ARGS, "no database server"),
    ({"takes": 60.0}, codes.ERR_GENERIC, "too slow at the moment"),
    ({"rc": -9}, codes.ERR_GENERIC, "code -9"),
    ({"rc": -15, "err": "0 [ERROR] mariadbd: unknown variable 'foo=1'"}, codes.ERR_GENERIC, "cannot tell"),
    ({"rc": 1}, codes.ERR_GENERIC, "code 1"),
    ({"rc": 126, "err": "/bin/true: Cannot allocate memory"}, codes.ERR_GENERIC, "Cannot allocate memory"),
    ({"rc": 127, "err": "/bin/true: error while loading shared libraries: libaio.so.1"}, codes.ERR_GENERIC, "libaio"),
    ({"rc": 126, "err": "/bin/true: Text file busy"}, codes.ERR_GENERIC, "Text file busy"),
    ({"rc": 1, "err": "[ERROR] mariadbd: Out of memory (Needed 128 bytes)"}, codes.ERR_GENERIC, "Out of memory"),
    ({"rc": 1, "err": "[ERROR] Can't read dir of '/etc/mysql' (Errcode: 24 \"Too many open files\")"},
     codes.ERR_GENERIC, "Too many open files"),
])
def test_only_an_answer_about_the_configuration_bans_the_node(answer, code, words):
    """A look-up that took too long on a machine that boots was ERR_ARGS, which is final on this node."""
    context = asked(answer)
    context.deadline = fakes.Deadline(context.clock, 120)
    with pytest.raises(Failed) as failed:
        find_layout(context)

    assert code == failed.value.code and words in failed.value.reason


def test_the_remedy_names_the_user_of_the_server():
    with pytest.raises(Failed) as failed:
        find_layout(asked({"rc": 1, "err": "[ERROR] InnoDB: Operating system error number 13 in a file operation.\n"},
                          user="galera"))

    assert "galera may not use a file of InnoDB" in failed.value.reason


def test_the_longest_cause_fits_into_an_exit_reason(monkeypatch):
    for program in ("mariadbd", "mysqld-debug"):
        monkeypatch.setattr("quorate.galera.server.settings.layout.server_program", lambda _, name=program: "/usr/sbin/" + name)
        for answer in ({"rc": 1, "err": "[ERROR] " + "long " * 50}, {"rc": -9, "err": "[ERROR] " + "long " * 50}):
            context = fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1")
            context.commands.allow("/usr/sbin/" + program, ..., **answer)
            with pytest.raises(Failed) as failed:
                find_layout(context)
            assert len(failed.value.reason) <= 144


def test_a_parameter_that_is_not_understood_stops_no_server_of_another_node():
    with pytest.raises(Failed) as failed:
        find_layout(asked({}, additional_parameters="--init-connect='SET"))

    assert codes.ERR_ARGS == failed.value.code and "additional_parameters" in failed.value.reason


@pytest.mark.parametrize("answer, address, expected", [
    ({}, "gcomm://n1,n2", Provider()),
    ({"wsrep_provider_options": "base_port=5567;pc.weight=2"}, "gcomm://n1,n2",
     Provider(base_port=5567, listen_port=5567, weight=2)),
    ({"wsrep_node_address": "10.0.0.1:5567"}, "gcomm://n1,n2", Provider(base_port=5567, listen_port=5567)),
    ({"wsrep_provider_options": "pc.ignore_sb=no"}, "gcomm://n1,n2?pc.ignore_sb=yes", Provider(ignore_sb=True)),
])
def test_galera_s_settings_from_all_places(answer, address, expected):
    layout = find_layout(asked(answer, wsrep_cluster_address=address))

    assert (expected, None) == (layout.galera, layout.misunderstood)


@pytest.mark.parametrize("answer, words", [
    ({}, None), ({"wsrep_provider_options": "pc.weight=x"}, "pc.weight"), ({"wsrep_provider": "none"}, "without Galera"),
    ({"wsrep_on": "FALSE"}, "without Galera"), ({"wsrep_provider_options": "pc.ignore_sb=1"}, "pc.ignore_sb"),
    ({"wsrep_provider_options": "pc.bootstrap=1"}, "opens a cluster of its own")])
def test_what_keeps_a_node_from_starting(answer, words):
    found = galera_problems(find_layout(asked(answer)))

    assert bool(words) == bool(found) and all(len(text) <= 144 for text in found)
    assert not words or words in found[0]


def layout(tmp_path, **values):
    path = str(tmp_path)
    return Layout(SERVER, None, path, path + "/socket", path + "/pid", path + "/log", "root", "root", "1", "TRUE", "galera",
                  "rsync")._replace(**values)


def test_start_refuses_what_no_proof_covers(tmp_path):
    assert [] == layout_problems(layout(tmp_path))
    assert "pc.ignore_quorum" in layout_problems(layout(tmp_path, galera=Provider(ignore_quorum=True)))[0]


def problems(tmp_path, **values):
    return [text.replace(str(tmp_path), "/d") for text in layout_problems(layout(tmp_path, **values))]


def test_a_user_that_does_not_exist_is_all_that_is_said(tmp_path):
    assert ["There is no user nemo on this node (parameter user)."] == problems(tmp_path, user="nemo", log="/no/log")


def test_the_directory_of_the_error_log(tmp_path):
    """Its own package made it for another one perhaps; a file that the server may write to is enough."""
    (tmp_path / "logs").mkdir(0o755)
    log = str(tmp_path / "logs" / "log")
    refused = "User nobody cannot write to the error log /d/logs/log: chown nobody /d/logs"
    owner = ["The data directory /d belongs to uid 0 and not to nobody: chown -R nobody:db /d"]
    assert ["The directory /d/no for the error log is missing: install -d -o root -g adm -m 2750 /d/no"] == problems(
        tmp_path, log=str(tmp_path / "no" / "log"))
    assert [refused] + owner == problems(tmp_path, log=log, user="nobody", group="db")
    (tmp_path / "logs" / "log").write_text("")
    (tmp_path / "logs" / "log").chmod(0o644)
    assert [refused] + owner == problems(tmp_path, log=log, user="nobody", group="db")
    (tmp_path / "logs" / "log").chmod(0o664)
    assert owner == problems(tmp_path, log=log, user="nobody", group="db")


@pytest.mark.parametrize("mode, user, writable", [
    (0o755, "root", True), (0o555, "root", False), (0o501, "root", False), (0o775, "nobody", True),
    (0o757, "nobody", True), (0o755, "nobody", False)])
def test_who_may_write_by_owner_and_mode(tmp_path, mode, user, writable):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs").chmod(mode)
    log = tmp_path / "logs" / "log"
    found = problems(tmp_path, log=str(log), user=user, datadir="/no")

    assert writable == (not found)
    log.touch(0o644)  # root's
    assert (writable or user == "root") == (not problems(tmp_path, log=str(log), user=user, datadir="/no"))


def test_a_full_file_system(tmp_path, mocker):
    status = mocker.patch("os.statvfs")
    status.return_value = mocker.Mock(f_bavail=FREE_LEAST // 4096, f_frsize=4096)
    assert [] == problems(tmp_path) and None is full_file_system("/")
    status.return_value = mocker.Mock(f_bavail=FREE_LEAST // 4096 - 1, f_frsize=4096)
    assert ["The file system of /d is full (4092 KiB free): free some space."] == problems(tmp_path)
    assert None is full_file_system("/", 1000)


def test_sockets_of_systemd_in_the_server_s_place(mocker):
    units = mocker.Mock()
    units.active.return_value = ["mariadb.socket", "mysql.socket"]
    assert listening_units(units, 5).endswith("systemctl disable --now mariadb.socket mysql.socket")
    units.active.assert_called_once_with(facts.SOCKET_UNITS, 5)
    units.active.return_value = []
    assert None is listening_units(units, 5)


def test_the_group_of_files_that_the_agent_makes(mocker):
    mocker.patch("grp.getgrnam", lambda name: {"db": mocker.Mock(gr_gid=77)}[name])

    assert (0, 77) == account("root", "db")
    assert (0, 0) == account("root", "no-such-group")


# Command lines

TOLD = Options(("--defaults-group-suffix=_2",), ("--log-error=/a", "--wsrep_on=OFF", "--silent-startup",
                                                 "--innodb_log_group_home_dir=/srv/redo", "--init-connect=SET x"))


def test_every_run_gets_what_is_told_and_the_agent_s_own_options_last(tmp_path):
    one = layout(tmp_path, options=TOLD, config="/etc/my.cnf")
    runs = [command_line.start(one, ["--wsrep_cluster_address=gcomm://n1"]), command_line.recover(one, "/r"),
            command_line.initialize(one)]

    for argv in runs:
        assert [SERVER, "--defaults-file=/etc/my.cnf", "--defaults-group-suffix=_2", *TOLD.rest] == argv[:8]
        assert "--datadir=" + one.datadir in argv[8:] and "--user=root" in argv[8:]
    assert "--wsrep_cluster_address=gcomm://n1" == runs[0][-1] and "--log-error=" + one.log in runs[0][8:]


def test_a_recovery_logs_where_the_agent_reads(tmp_path):
    argv = command_line.recover(layout(tmp_path, options=TOLD), "/r", ("--tc-heuristic-recover=rollback",))
    last = {word.partition("=")[0].replace("loose-", ""): word for word in argv}

    assert "--log-error=/r" == last["--log-error"] and argv.index("--log-error=/r") > argv.index("--log-error=/a")
    assert argv.index("--loose-skip-silent-startup") > argv.index("--silent-startup")
    assert "--loose-wsrep_on=ON" == last["--wsrep_on"] and argv.index("--loose-wsrep_on=ON") > argv.index("--wsrep_on=OFF")
    assert {"--wsrep-recover", "--skip-networking", "--tc-heuristic-recover=rollback"} <= set(argv)
    assert "--socket=%s/socket.recover" % tmp_path in argv  # a client must not reach a server that recovers


def test_making_a_database_gets_what_is_told_except_galera(tmp_path):
    argv, broken = command_line.install_db(layout(tmp_path, options=TOLD))

    assert ["mariadb-install-db", "--defaults-group-suffix=_2", "--log-error=/a", "--silent-startup",
            "--innodb_log_group_home_dir=/srv/redo"] == argv[:5]
    assert "--wsrep_on=OFF" == argv[-1] and ["--init-connect=SET x"] == broken
