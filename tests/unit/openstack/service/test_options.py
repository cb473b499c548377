# SPDX-License-Identifier: Apache-2.0
"""What oslo.config does not start with is no setting but a mistake with its line, and the order of files. That all else
is read as oslo.config reads it: tests/property/openstack/test_configuration.py."""

import pytest

from quorate.host.process import Process
from quorate.openstack import catalog
from quorate.openstack.service import observe, options, sources
from tests.unit.openstack.fakes import world


@pytest.mark.parametrize("text, words", [
    ("nonsense", "line 1 has neither"), ("[", "line 1 is no section"), ("[]\n", "line 1 is no section"),
    ("[DEFAULT]\n\n= x\n", "line 3 has no name"), ("   x\n", "line 1 continues"), ("[a\nx=1", "line 1 is no"),
    ("x = 1\n", "line 1 is in no section"), ("[DEFAULT]\nx = 1\n\n y\n", "line 4 continues")])
def test_a_mistake_is_named_with_its_line(text, words):
    with pytest.raises(options.Misread, match=words):
        options.read(text)


@pytest.mark.parametrize("text", ["host = $host", "host = $a\na = $b\nb = $a"])
def test_what_refers_to_itself_is_a_mistake(text):
    with pytest.raises(options.Misread, match="refers to itself"):
        options.Options([options.read("[DEFAULT]\n" + text)]).get("host")


@pytest.mark.parametrize("text", ["connection = mysql://u:se$cret@h/x", "connection = ${url}\nurl = x://u:se$cret@h",
                                  "connection = mysql://u:$word@h\nword = se$cret"])
def test_no_part_of_a_password_is_in_a_message(text):
    with pytest.raises(options.Misread) as raised:
        options.Options([options.read("[database]\n" + text)]).get("connection", "database")
    assert "[database] connection refers to" in str(raised.value) and "cret" not in str(raised.value)


def test_another_option_that_refers_to_nothing_names_what_is_missing():
    with pytest.raises(options.Misread, match="host refers to .my_ip, which is set nowhere"):
        options.Options([options.read("[DEFAULT]\nhost = $my_ip")]).get("host")


@pytest.fixture
def etc(tmp_path):
    """A directory of configuration; each of its files sets the option host to its own name."""
    for name in ("cinder.conf", "cinder-volume.conf", "cinder.conf.d/a.conf", "cinder.conf.d/b.conf",
                 "cinder-volume.conf.d/a.conf", "other/z.conf", "other/y.conf", "other/ignored", "more.conf"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("[DEFAULT]\nhost = %s\n" % name)
    return tmp_path


def host(etc, *words, environ=None):
    argv = None if words == (None,) else ("cinder-volume",) + tuple(word % {"etc": etc} for word in words)
    return sources.read_settings(catalog.CINDER_VOLUME, str(etc / "cinder.conf"), argv, environ).host


@pytest.mark.parametrize("words, wins", [
    ((None,), "cinder.conf"), (("--config-file=%(etc)s/cinder.conf",), "cinder.conf"),
    ((), "cinder-volume.conf.d/a.conf"), (("--config-dir=%(etc)s/other",), "other/z.conf"),
    (("--config-file", "%(etc)s/cinder.conf", "--config-file", "%(etc)s/more.conf"), "more.conf"),
    (("--config-file=%(etc)s/cinder.conf", "--config-dir", "%(etc)s/other"), "other/z.conf"),
    (("--config-dir=%(etc)s/other", "--config-file=%(etc)s/cinder.conf"), "cinder.conf")])
def test_the_last_file_wins_and_the_command_line_says_which_it_is(etc, words, wins):
    assert wins == host(etc, *words)


@pytest.mark.parametrize("text, wins", [
    (None, "cinder.conf"), ("--debug", "cinder.conf"), ("--config-dir %s/other", "other/z.conf"),
    ("--config-file='%s/more.conf'", "more.conf"), ("--name='not closed", "cinder.conf")])
def test_what_does_not_run_is_known_by_the_options_it_would_be_started_with(etc, text, wins):
    values = {} if text is None else {"additional_parameters": text.replace("%s", str(etc))}
    context = world("start", etc / "cinder.conf", **values)

    assert wins == observe.settings_of(context, catalog.CINDER_VOLUME, sources.Sources(None)).host


def test_the_environment_of_the_process_goes_before_its_files(etc):
    assert "from-environment" == host(etc, environ={"OS_DEFAULT__HOST": "from-environment"})


def test_the_environment_is_that_of_the_process(tmp_path):
    import os
    assert {} == sources.environment(0)
    assert all(name.startswith("OS_") for name in sources.environment(os.getpid()))


def test_one_that_renamed_itself_has_no_command_line(etc):
    found = sources.Sources(None).settings(catalog.CINDER_VOLUME, str(etc / "cinder.conf"),
                                           Process(0, 1, 1, "S", ("cinder-volume: worker",)))
    assert "cinder.conf" == found.host


@pytest.mark.parametrize("file, text", [("cinder.conf", "[DEFAULT]\nnonsense\n"), ("cinder.conf.d/a.conf", "x = 1")])
def test_a_file_with_a_mistake_makes_all_unknown_and_is_named(etc, file, text):
    (etc / file).write_text(text)
    found = sources.read_settings(catalog.CINDER_VOLUME, str(etc / "cinder.conf"))

    assert not found.readable and found.host is None
    assert "%s cannot be read: line" % (etc / file) in found.problems[0]


def test_a_missing_file_is_named(tmp_path):
    found = sources.read_settings(catalog.CINDER_VOLUME, str(tmp_path / "nothing.conf"))

    sentence = "%s cannot be read: No such file or directory" % (tmp_path / "nothing.conf")
    assert not found.readable and (sentence,) == found.problems


def test_an_option_that_refers_to_itself_by_its_deprecated_name():
    """oslo.config finds no end of it, and the service does not start."""
    found = options.Options([options.read("[DEFAULT]\nhost = a\n"), options.read("[DEFAULT]\nold_host = $host\n")])
    with pytest.raises(options.Misread, match="refers to itself"):
        found.get("host", also=(("DEFAULT", "old_host"),))
    assert "a" == options.Options([options.read("[DEFAULT]\nold_host = b\n"), options.read("[DEFAULT]\nhost = a\n")]).get(
        "host", also=(("DEFAULT", "old_host"),))


@pytest.mark.parametrize("text, value", [
    ("x$$y$$z", "x$y$z"), ("x\\$a", "x$a"), ("5$ and $a", "5$ and 1"), ("$a$a", "11"), ("${a}a", "1a"), ("${a", "${a"),
    ("$1", "$1"), ("$", "$"), ("${group.name}", "2"), ("$group.name", "2"), ("$$$a", "$1"), ("a$", "a$"), ("$-$a", "$-1"),
    ("${}", "${}"), ("${a}}", "1}"), ("$a-$own", "1-3"), ("${1a}", "${1a}"), ("$a,${a}", "1,1")])
def test_what_a_dollar_sign_stands_for(text, value):
    """string.Template, with the names of oslo.config (cfg.py, Template.idpattern)."""
    found = options.Options([options.read("[DEFAULT]\na = 1\nown = 9\n[group]\nname = 2\n[mine]\nown = 3\nx = " + text)])
    assert value == found.get("x", "mine")


@pytest.mark.parametrize("length, ends", [(1, True), (12, True), (100, False)])
def test_options_may_refer_to_options_that_refer_to_options(length, ends):
    lines = ["x%d = $x%d" % (number, number + 1) for number in range(length)] + ["x%d = end" % length]
    found = options.Options([options.read("[DEFAULT]\n" + "\n".join(lines))])
    if ends:
        assert "end" == found.get("x0")
    else:
        with pytest.raises(options.Misread):
            found.get("x0")


@pytest.mark.parametrize("text, found", [
    ("[DEFAULT]\na = b\n  c\n\td  \nx = y", {("DEFAULT", "a"): "b\nc\nd", ("DEFAULT", "x"): "y"}),
    ("[Database]\na=1\n[default]\na=2\n[DEFAULT]\na=3",
     {("database", "a"): "1", ("default", "a"): "2", ("DEFAULT", "a"): "3"}),
    ("[x]\na:b:c\nb = c = d\ne : f=g", {("x", "a"): "b:c", ("x", "b"): "c = d", ("x", "e"): "f=g"}),
    ("[x]\na = \"b\"\nc = 'd\ne = \"", {("x", "a"): "b", ("x", "c"): "'d", ("x", "e"): ""}),
    ("[x]\n# a = b\n; c\na =\n", {("x", "a"): ""})])
def test_the_lines_of_a_file(text, found):
    """iniparser.py: a value goes on in lines that begin with a blank; quotes around all of it are not part of it."""
    assert found == options.read(text)


@pytest.mark.parametrize("key, section, says", [
    ("host", "DEFAULT", "host refers to $my_ip, which is set nowhere"),
    ("host", "a", "[a] host refers to $my_ip, which is set nowhere"),
    ("self", "a", "[a] self refers to itself"), ("self", "DEFAULT", "self refers to itself"),
    ("transport_url", "DEFAULT", "transport_url refers to what is set nowhere, or to itself; a dollar sign in a password "
     "is '$$'")])
def test_a_reference_to_nothing_is_said_with_its_place(key, section, says):
    text = "\nhost = $my_ip\nself = $self\ntransport_url = rabbit://u:$x@h\n"
    found = options.Options([options.read("[DEFAULT]" + text + "[a]" + text)])
    with pytest.raises(options.Misread) as raised:
        found.get(key, section)
    assert says == str(raised.value)


def test_a_deprecated_name_is_that_of_its_own_option_only():
    """`also` of host says nothing about the option that it refers to."""
    found = options.Options([options.read("[DEFAULT]\nhost = $other\nold_host = a\n")])
    with pytest.raises(options.Misread):
        found.get("host", also=(("DEFAULT", "old_host"),))
