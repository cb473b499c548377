# SPDX-License-Identifier: Apache-2.0
"""The processes of a service: the unit or the program to start."""

import os

import pytest

from quorate.host.system.units import Unit
from quorate.ocf.codes import ERR_CONFIGURED, Failed
from quorate.openstack.service import process, unit as units_of
from tests.unit.openstack.fakes import FakeSources, FakeUnits, service_at, world


def test_a_masked_unit_is_left_alone_unless_it_was_asked_for(config):
    units = FakeUnits(Unit("cinder-volume.service", "/etc/x", True))

    assert units_of.unit_for(world("start", config), service_at(config), FakeSources(units)) is None
    assert "systemctl unmask" in process.installation_error(world("start", config, unit="cinder-volume"),
                                                            service_at(config), FakeSources(units))


@pytest.mark.parametrize("values", [{"additional_parameters": "--debug"}, {"binary": "/opt/cinder-volume"},
                                    {"unit": "none"}])
def test_parameters_that_ask_for_something_else_start_the_program(config, values):
    assert units_of.unit_for(world("start", config, **values), service_at(config), FakeSources()) is None


def test_the_installed_version(tmp_path):
    (tmp_path / "nova-26.2.2.egg-info").mkdir()

    (tmp_path / "cinder-21.3.0.dist-info").mkdir()

    assert "26.2.2" == process._installed_version("nova", (str(tmp_path),))
    assert "21.3.0" == process._installed_version("cinder", (str(tmp_path),))
    assert process._installed_version("heat", (str(tmp_path),)) is None


@pytest.mark.parametrize("text, chosen", [("NOVA_CONSOLE_PROXY_TYPE=novnc\n", True),
                                          ("NOVA_CONSOLE_PROXY_TYPE='novnc'\n", True),
                                          ("NOVA_CONSOLE_PROXY_TYPE=spicehtml5\n", False), ("# nothing\n", False)])
def test_debians_choice_of_a_proxy(tmp_path, text, chosen):
    path = tmp_path / "nova-consoleproxy"
    path.write_text(text)

    assert chosen == units_of.novnc_chosen(str(path))


@pytest.mark.parametrize("text, words", [
    (None, []), ("--debug  --log-dir=/var/log/x", ["--debug", "--log-dir=/var/log/x"]),
    ("--name='a b' --path=\"c d\" e\\ f", ["--name=a b", "--path=c d", "e f"])])
def test_further_options_are_split_as_a_shell_does_it(config, text, words):
    values = {} if text is None else {"additional_parameters": text}
    assert words == process.additional_options(world("start", config, **values).parameters)


def test_a_quote_that_is_not_closed_is_a_wrong_parameter(config):
    with pytest.raises(Failed, match="no closing quotation") as raised:
        process.additional_options(world("start", config, additional_parameters="--name='a").parameters)
    assert ERR_CONFIGURED == raised.value.code


class Logs(FakeSources):
    """A service whose configuration says where it logs, or does not."""

    def __init__(self, logs=False):
        FakeSources.__init__(self)
        self._logs = logs

    def settings(self, *words):
        return FakeSources.settings(self, *words)._replace(logs=self._logs)


def log_options(config, directory, argv=("/usr/bin/cinder-volume",), logs=False):
    account = os.geteuid(), os.getegid()
    return process._log_options(world("start", config), service_at(config), Logs(logs), account, argv, str(directory))


def test_a_program_logs_where_its_unit_does(config, tmp_path):
    """Else it prints its log, into memory."""
    (tmp_path / "cinder").mkdir()
    file = "--log-file=%s/cinder/cinder-volume.log" % tmp_path
    assert [file] == log_options(config, tmp_path)
    (tmp_path / "cinder" / "cinder-volume.log").write_text("")
    assert [file] == log_options(config, tmp_path)


@pytest.mark.parametrize("words", ["--log-file=/x", "--log_dir=/x", "--logfile", "--use-syslog", "--use_journal",
                                   "--log-config-append=/x"])
def test_unless_its_options_say_where(config, tmp_path, words):
    (tmp_path / "cinder").mkdir()
    assert [] == log_options(config, tmp_path, ("/usr/bin/cinder-volume", words))
    assert [] == log_options(config, tmp_path, logs=True), "or its configuration"


def test_a_log_that_it_could_not_write_is_not_asked_for(config, tmp_path):
    """Its start would fail."""
    assert [] == log_options(config, tmp_path), "there is no directory"
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "cinder")
    assert [] == log_options(config, tmp_path), "a link"
    os.unlink(tmp_path / "cinder")
    (tmp_path / "cinder").mkdir()
    os.symlink("/etc/passwd", tmp_path / "cinder" / "cinder-volume.log")
    assert [] == log_options(config, tmp_path), "the log is a link"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give away")
def test_a_log_of_another_user_is_not_asked_for(config, tmp_path):
    (tmp_path / "cinder").mkdir()
    (tmp_path / "cinder" / "cinder-volume.log").write_text("")
    os.chown(tmp_path / "cinder" / "cinder-volume.log", 65534, 65534)
    assert [] == log_options(config, tmp_path)
