# SPDX-License-Identifier: Apache-2.0
"""What the server is told, as it says itself, and what an answer that does not come means."""

import os

import pytest

from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.settings import command_line
from quorate.galera.server.settings.layout import Layout, account, find_layout, galera_problems, layout_problems
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


@pytest.mark.parametrize("answer, code, words", [
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
