# SPDX-License-Identifier: Apache-2.0
"""Which files and variables make a service's settings, and to whom each question of Sources goes."""

import os
import pwd
import subprocess

import pytest

from quorate.host.connections import Connections
from quorate.host.process import Process
from quorate.openstack import catalog
from quorate.openstack.facts import Settings
from quorate.openstack.service import heartbeat, network, rpc, sources
from quorate.openstack.service.sources import Sources
from tests.waiting import within

CINDER = catalog.CINDER_VOLUME


@pytest.mark.parametrize("module, name, ask, given", [
    (network, "any_broker_answers", lambda one: one.broker("b", 2), ("b", 2)),
    (rpc, "refusal", lambda one: one.refusal("b", 2), ("b", 2)),
    (network, "page", lambda one: one.page("h", 1, "/", 2, True), ("h", 1, "/", 2, True)),
    (heartbeat, "read", lambda one: one.rows("s", "a", "n", 2), ("s", "a", "n", 2)),
    (heartbeat, "refuses_writes", lambda one: one.refuses_writes("s", "a", 2), ("s", "a", 2)),
    (rpc, "call", lambda one: one.replies("b", "e", "t", 2, "m"), ("b", "e", "t", 2, "m"))])
def test_who_answers(monkeypatch, module, name, ask, given):
    monkeypatch.setattr(module, name, lambda *how: ("answer", how))
    assert ask(Sources(None)) == ("answer", given)


def test_units_connections_and_accounts():
    commands = object()
    one = Sources(commands)
    assert one.units is one.units and one.units._commands is commands
    assert isinstance(one.connections(), Connections) and one.connections() is not one.connections()
    nobody = pwd.getpwnam("nobody")
    assert one.user("nobody") == (nobody.pw_uid, nobody.pw_gid) and one.user("no-such-user") is None


@pytest.mark.parametrize("argv, given", [
    (("cinder-volume", "--x"), ("cinder-volume", "--x")), (("cinder-volume: x",), None)])
def test_the_command_line_of_a_process_counts(monkeypatch, argv, given):
    asked = []
    monkeypatch.setattr(sources, "read_settings", lambda *how, **named: asked.append((how, named)))
    monkeypatch.setattr(sources, "environment", lambda pid: {"pid": pid})
    monkeypatch.setattr(sources, "working_directory", lambda pid: "/w%d" % pid)
    Sources(None).settings(CINDER, "/c", Process(71, 1, 5, "S", argv), ("more",))
    Sources(None).settings(CINDER, "/c", None, ("more",))
    assert asked == [((CINDER, "/c", given, {"pid": 71}), {"directory": "/w71"}), ((CINDER, "/c"), {"more": ("more",)})]


def test_variables_that_set_options():
    words = {"OS_DEFAULT__HOST": "a=b", "OS_AUTH_URL": "x", "PATH": "OS_X__Y=1"}
    with subprocess.Popen(["/bin/sleep", "100"], env=words) as one:
        try:
            within(60, lambda: sources.environment(one.pid))  # the kernel sets it up a moment later
            assert sources.environment(one.pid) == {"OS_DEFAULT__HOST": "a=b"}
        finally:
            one.kill()
    assert sources.environment(4194304) == {}


# -- files

@pytest.fixture
def etc(tmp_path, monkeypatch):
    """etc(*names): makes these files; the configuration is cinder.conf there. /usr/share is not looked at."""
    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("[DEFAULT]\nhost = %s\n" % name)
        return tmp_path
    return make


def files(root, argv=None, more=(), config="cinder.conf"):
    found = sources._files(CINDER, str(root / config), argv, more)
    return [os.path.relpath(path, root) for path in found if path.startswith(str(root))]


def line(root, *words):
    return ("/usr/bin/cinder-volume",) + tuple(word.format(root=root) for word in words)


def test_the_file_that_was_named_and_the_usual_directories(etc):
    root = etc("cinder.conf", "cinder.conf.d/b.conf", "cinder.conf.d/a.conf", "cinder-volume.conf.d/c.conf",
               "cinder-volume.conf", "cinder.conf.d/.d.conf", "cinder.conf.d/e.txt")
    usual = ["cinder.conf.d/a.conf", "cinder.conf.d/b.conf", "cinder-volume.conf.d/c.conf"]
    assert files(root) == usual + ["cinder.conf"]
    assert files(root, line(root)) == ["cinder.conf", "cinder-volume.conf"] + usual
    assert files(root, line(root, "--config-file={root}/cinder.conf")) == usual + ["cinder.conf"]
    assert files(root, line(root, "--config-file", "{root}/x.conf", "--config-file={root}/cinder.conf")) == (
        usual + ["cinder.conf"]), "a file that is not there is left out"


def test_directories_that_are_named(etc):
    root = etc("cinder.conf", "cinder.conf.d/a.conf", "other/z.conf", "other/y.conf")
    assert files(root, line(root, "--config-dir={root}/other")) == ["cinder.conf", "other/y.conf", "other/z.conf"]
    assert files(root, more=("--config-dir={root}/other".format(root=root),)) == [
        "cinder.conf", "other/y.conf", "other/z.conf"]
    assert files(root, line(root, "--config-dir={root}/none", "--config-file={root}/cinder.conf")) == ["cinder.conf"]


def test_a_file_of_another_name(etc):
    root = etc("cinder.conf", "mine.conf")
    assert files(root, line(root), config="mine.conf") == ["mine.conf"]
    assert files(root, config="missing.conf") == ["missing.conf"], "the one that was named is always read"


def test_the_distribution_s_defaults(monkeypatch, etc):
    root = etc("cinder.conf")
    monkeypatch.setattr(sources, "_may_be_file", lambda path: True)
    dist = "/usr/share/cinder/cinder-dist.conf"
    assert sources._files(CINDER, str(root / "cinder.conf"), None)[0] == dist
    assert sources._files(CINDER, str(root / "cinder.conf"), line(root))[0] == dist
    named = line(root, "--config-file={root}/cinder.conf")
    assert dist not in sources._files(CINDER, str(root / "cinder.conf"), named)


def test_settings_that_are_read(etc):
    root = etc("cinder.conf", "cinder.conf.d/a.conf")
    config = str(root / "cinder.conf")
    assert sources.read_settings(CINDER, config).host == "cinder.conf"
    assert sources.read_settings(CINDER, config, line(root)).host == "cinder.conf.d/a.conf"
    assert sources.read_settings(CINDER, config, line(root), {"OS_DEFAULT__HOST": "by-variable"}).host == "by-variable"
    (root / "other.conf").write_text("[DEFAULT]\nhost = other\n")
    assert sources.read_settings(CINDER, config, more=("--config-file=%s/other.conf" % root,)).host == "other"
    for path in (root / "cinder.conf", root / "cinder.conf.d" / "a.conf"):
        path.write_bytes(b"[DEFAULT]\n# \xff\n")
    assert sources.read_settings(CINDER, config).host == os.uname().nodename


def test_a_configuration_that_cannot_be_read(etc):
    root = etc("cinder.conf", "cinder.conf.d/a.conf")
    config = str(root / "cinder.conf")
    (root / "cinder.conf.d" / "a.conf").write_text("nonsense\n")
    assert sources.read_settings(CINDER, config, line(root)) == Settings(problems=(
        "%s/cinder.conf.d/a.conf cannot be read: line 1 has neither '=' nor ':'" % root,))
    assert sources.read_settings(CINDER, str(root / "away" / "none")) == Settings(
        problems=("%s/away/none cannot be read: No such file or directory" % root,))


def test_what_may_not_be_read_is_unknown_and_no_error(monkeypatch, etc):
    """service-check without root, where --config-dir has mode 0750; and a file of the service that only it may read."""
    root = etc("cinder.conf", "cinder.conf.d/a.conf")
    config = str(root / "cinder.conf")
    refuse = PermissionError(13, "Permission denied")

    def listdir(path):
        refuse.filename = path
        raise refuse

    with monkeypatch.context() as patched:
        patched.setattr(sources.os, "listdir", listdir)
        assert sources.read_settings(CINDER, config, line(root, "--config-dir={root}/d")) == Settings(
            problems=("%s/d cannot be read: Permission denied" % root,))
        assert sources.read_settings(CINDER, config) == Settings(
            problems=("%s/cinder.conf.d cannot be read: Permission denied" % root,))

    def stat(path):
        raise refuse

    assert sources._may_be_file(str(root / "none")) is False and sources._may_be_file(config + "/x") is False
    assert sources._may_be_file(config) is True and sources._may_be_file(str(root)) is False
    with monkeypatch.context() as patched:
        patched.setattr(sources.os, "stat", stat)
        assert sources._may_be_file(config) is True

    def refused(path, *_how, **_named):
        if path == config:
            return open(path)
        raise refuse

    monkeypatch.setattr(sources, "open", refused, raising=False)
    assert sources.read_settings(CINDER, config) == Settings(
        problems=("%s/cinder.conf.d/a.conf cannot be read: Permission denied" % root,))


def test_relative_paths_of_a_process(etc):
    root = etc("cinder.conf", "more.conf", "d/a.conf")
    argv = ("/usr/bin/cinder-volume", "--config-file=cinder.conf", "--config-file", "more.conf")
    assert sources.read_settings(CINDER, str(root / "cinder.conf"), argv, directory=str(root)).host == "more.conf"
    assert sources.read_settings(CINDER, str(root / "cinder.conf"), argv + ("--config-dir", "d"),
                                 directory=str(root)).host == "d/a.conf"
    assert sources.working_directory(os.getpid()) == os.getcwd() and sources.working_directory(4194304) == "/"


def test_a_process_without_a_file_of_its_own_reads_the_usual_one(etc):
    """Where our configuration is a link to it, or in a directory that it names."""
    root = etc("cinder.conf", "cinder.conf.d/a.conf", "b/cinder.conf", "b/x.conf")
    service = CINDER._replace(config=str(root / "cinder.conf"))
    (root / "link.conf").symlink_to(root / "cinder.conf")
    assert sources.read_settings(service, str(root / "link.conf"), line(root)).host == "cinder.conf.d/a.conf"
    assert sources.read_settings(service, str(root / "b" / "cinder.conf"), line(root, "--config-dir={root}/b")).host == (
        "b/x.conf")
    assert [os.path.relpath(path, root) for path in sources._files(
        service, str(root / "b" / "cinder.conf"), line(root, "--config-dir={root}/b")) if path.startswith(str(root))] == [
            "cinder.conf", "b/cinder.conf", "b/x.conf"]


def test_a_directory_that_is_called_like_a_file(etc):
    root = etc("cinder.conf")
    (root / "cinder.conf.d" / "a.conf").mkdir(parents=True)
    assert sources.read_settings(CINDER, str(root / "cinder.conf")).host == "cinder.conf"
