# SPDX-License-Identifier: Apache-2.0
"""Who hears what."""

import io
import syslog

import pytest

from quorate.ocf.log import Log, _facility


@pytest.fixture
def lines(monkeypatch):
    """What goes to syslog: the one module that is replaced, because it is the far side of the machine."""
    caught = []
    monkeypatch.setattr(syslog, "syslog", lambda level, text: caught.append((level, text)))
    return caught


def test_under_the_cluster_everything_goes_to_syslog_with_a_level(lines):
    stream = io.StringIO()
    log = Log("sample(db)", {}, interactive=False, stream=stream)
    log.info("one\ntwo")
    log.warning("three")
    log.error("four")
    log.debug("five")
    log.say("six")
    assert lines == [(syslog.LOG_INFO, "INFO: one"), (syslog.LOG_INFO, "INFO: two"),
                     (syslog.LOG_WARNING, "WARNING: three"), (syslog.LOG_ERR, "ERROR: four")]
    assert stream.getvalue() == ""


def test_debug_only_when_the_cluster_debugs(lines):
    Log("t", {"HA_debug": "1"}).debug("x")
    Log("t", {"HA_debug": "0"}).debug("y")
    assert lines == [(syslog.LOG_DEBUG, "DEBUG: x")]


def test_a_trace_does_not_fill_syslog(lines):
    traced = []
    Log("t", {"HA_debug": "0"}, tracer=traced.append).debug("x")
    assert lines == [] and traced == ["DEBUG: x"]


def test_facility_none_is_silence(lines):
    Log("t", {"HA_LOGFACILITY": "none"}).error("x")
    assert lines == []


@pytest.mark.parametrize("name, number", [
    ("daemon", syslog.LOG_DAEMON), ("local0", syslog.LOG_LOCAL0), ("local7", syslog.LOG_LOCAL7),
    ("local8", syslog.LOG_DAEMON), ("user", syslog.LOG_USER), ("nonsense", syslog.LOG_DAEMON),
    ("auth", syslog.LOG_AUTH), ("local", syslog.LOG_DAEMON)])
def test_facilities(name, number):
    assert _facility(name) == number


def test_the_log_file_too_when_one_is_configured(lines, tmp_path):
    path = tmp_path / "ha.log"
    Log("sample(db)", {"HA_LOGFILE": str(path)}).info("one\ntwo")
    assert [line.split(" ", 1)[1] for line in path.read_text().splitlines()] == ["INFO: one", "INFO: two"]
    assert path.read_text().startswith("sample(db)[")


def test_a_log_file_that_cannot_be_written_is_no_failure(lines, tmp_path):
    Log("t", {"HA_LOGFILE": str(tmp_path)}).info("x")
    assert lines


def test_run_by_an_operator_all_is_on_the_terminal_and_nothing_in_syslog(lines):
    stream = io.StringIO()
    log = Log("t", {}, interactive=True, stream=stream)
    log.say("one")
    log.info("two")
    log.error("three")
    assert stream.getvalue() == "one\nINFO: two\nERROR: three\n" and lines == []


def test_a_terminal_that_went_away_is_no_failure(lines, monkeypatch):
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr("sys.stderr", stream)
    Log("t", {}, interactive=True).say("x")


def test_secrets_are_kept_out_of_every_channel(lines, tmp_path):
    traced = []
    log = Log("t", {"HA_LOGFILE": str(tmp_path / "log")}, secrets=["hunter2", None, ""], tracer=traced.append)
    log.error("a hunter2 b")
    log.say("hunter2")
    log.traceback("hunter2")
    seen = repr(lines) + repr(traced) + (tmp_path / "log").read_text()
    assert "hunter2" not in seen and "a **** b" in seen
