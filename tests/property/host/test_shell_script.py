# SPDX-License-Identifier: Apache-2.0
"""A settings file that is shell means what it means to dash and bash; what is not certain is unknown, or refused."""

import os
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from quorate.errors import Unreadable
from quorate.host.shell import script as shell_script
from quorate.host.shell.script import Unknown, variables

KNOWN = {"SYS_PREFIX": "", "MNESIA_BASE": "/var/lib/rabbitmq/mnesia"}
NAMES = ("A", "B", "RABBITMQ_A")
SHELLS = [path for path in ("/bin/dash", "/bin/bash") if os.path.exists(path)]

_value = st.lists(st.sampled_from(
    ["a", "/x", ".", "'b c'", '"d e"', "$A", "${B}", "${A:-f}", "${NONE:-g}", '"$B/h"', "$NONE", "\\ ", "\\'",
     "$(echo i)", "`echo j`", "~", "#k", '"#"', "'$A'", "\\$A", "=", "{l,m}", '"\\a"', "ä", "@", "*"]), max_size=4).map("".join)
_assignment = st.builds(lambda name, value: name + "=" + value, st.sampled_from(NAMES), _value)
_line = st.one_of(
    _assignment, _assignment, _assignment, st.builds("export {}".format, _assignment),
    st.builds("{} # comment".format, _assignment), st.builds("{}; {}".format, _assignment, _assignment),
    st.builds("{} {}".format, _assignment, _assignment), st.builds("{} && {}".format, _assignment, _assignment),
    st.builds("false && {}".format, _assignment), st.builds("true || {}".format, _assignment),
    st.builds("{} | true".format, _assignment), st.builds("{} true".format, _assignment),
    st.builds("if [ -n \"$A\" ]; then {}; else {}; fi".format, _assignment, _assignment),
    st.builds("if true\nthen\n  {}\nfi".format, _assignment),
    st.builds("for A in 1 2; do {}; done".format, _assignment),
    st.builds("{} >/dev/null 2>&1".format, _assignment), st.builds("eval {}".format, _assignment),
    st.sampled_from(["", "# A=x", "ulimit -n 1024 2>/dev/null", "umask 022", ":", "unset A", "unset -v B", "export A B",
                     "[ -f /none ] && . /none", "test -n x", "A=sp :", "B=sp export C=1", "set -a", "set -o allexport",
                     ". D/one", ". D/two; A=after", "[ -r D/one ] && . D/one", "[ -f D/one ] && . D/two",
                     "if [ -f D/one ]; then . D/one; fi", "if [ -e D/none ]\nthen\n  . D/none\nfi",
                     "if [ -f D/one ]; then A=if; . D/one; else . D/two; fi", "if ! [ -f D/one ]; then . D/one; fi",
                     "test -f D/two && [ -r D/two ] && . D/two || A=or", "[ -f D/one ] || . D/one", "false && . D/one",
                     "[ -s D/one ] && { . D/one; B=in; }", "true | . D/one", ". D/one &", "source D/one",
                     "if [ -f D/one ]; then . D/one; fi | cat", "if true && [ -f D/one ]; then . D/one; fi",
                     "if [ -n \"$A\" ]; then [ -f D/one ] && . D/one; fi", ". D/self",
                     "echo hello >/dev/null", "A+=z", "set -u", "set -- x",
                     "f() { A=y; }", "cat >/dev/null <<X\nA=q\nX", "read A </dev/null", "readonly C=1", "export -n A",
                     "{ A=brace; }", "A=x \\\n  B=y", "case x in x) A=c;; esac", "printf -v A x", "true & A=bg"]))
_script = st.lists(_line, min_size=1, max_size=5).map("\n".join)


def _said(shell, path):
    """The variables of this shell after it has read the file; None where it fails."""
    end = "".join('printf "%%s=%%s\\0" %s "${%s-<unset>}"; ' % (name, name) for name in NAMES)
    done = subprocess.run([shell, "-c", ". %s; printf MARK; %s" % (path, end)], env=dict(KNOWN, HOME="/h", PATH="/bin"),
                          cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False)
    before, mark, after = done.stdout.partition(b"MARK")
    if not mark:
        return None
    return dict(item.split("=", 1) for item in after.decode("utf-8", "surrogateescape").split("\0") if item)


@pytest.mark.parametrize("shell", SHELLS)
def test_variables_are_what_the_shell_makes_of_them(tmp_path, monkeypatch, shell):
    monkeypatch.setattr(shell_script, "knows_source", lambda: "bash" in shell)
    path = tmp_path / "env.conf"
    (tmp_path / "one").write_text("A=one$B\nif [ -n \"$A\" ]; then RABBITMQ_A=maybe; fi\n")
    (tmp_path / "two").write_text("B=two\n. %s/one\nunset RABBITMQ_A\n" % tmp_path)
    (tmp_path / "self").write_text(". %s/self\n" % tmp_path)
    counts = {"certain": 0, "unknown": 0, "refused": 0}

    @settings(max_examples=250, deadline=None, print_blob=True,
              suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
    @given(_script)
    def same(text):
        text = text.replace("D/", "%s/" % tmp_path)
        path.write_text(text + "\n")
        try:
            found = variables(str(path), text + "\n", KNOWN)
        except Unreadable as error:
            counts["refused"] += 1
            assert "%s, line " % path in error.reason or "%s/self, line " % tmp_path in error.reason
            return
        said = _said(shell, path)
        if said is None:
            return
        for name in NAMES:
            one = found.get(name)
            if isinstance(one, Unknown):
                counts["unknown"] += 1
                continue
            counts["certain"] += 1
            assert said[name] == ("<unset>" if one is None else one), (name, text)

    same()
    assert counts["certain"] >= 100 and counts["certain"] > counts["refused"], counts  # else it would compare too little


@pytest.mark.parametrize("text, line", [
    ("A=1\n. /none/other\n", 2), ("eval A=1\n", 1), ("f() {\nA=1\n}\n", 1), ("cat <<X\nA=1\nX\n", 1), ("$X A\n", 1),
    ("if true; then\nA=1\n", 3), ("exit 0\n", 1), ("A='x\n", 1), ("A=1\ntime A=2\n", 2), ("A=1\nA[0]=2\n", 2),
])
def test_what_may_set_any_variable_is_refused_with_its_line(text, line):
    with pytest.raises(Unreadable) as refused:
        variables("/etc/env.conf", text, {})
    assert "/etc/env.conf, line %d" % line in refused.value.reason


@pytest.mark.parametrize("text, why", [
    ("A=$(hostname)\n", "needs a shell"), ("A=$DATA/mnesia\n", "$DATA"), ("[ -n x ] && A=1\n", "condition"),
    ("B=1\nB=2 A=$B\n", "$B"), ("if x; then\n A=1\nfi\n", "condition"), ("A=`x`\n", "needs a shell"), ("A=~/x\n", "needs a shell"),
])
def test_what_is_set_and_not_certain_is_unknown_and_never_unset(text, why):
    assert why in variables("/etc/env.conf", text, {})["A"].reason


# another file that it reads

@pytest.mark.parametrize("text, found", [
    (". D/other\n", "x"), ("[ -f D/other ] && . D/other\n", "x"), ("if [ -r D/other ]; then\n  . D/other\nfi\n", "x"),
    ("F=D\n. $F/other\n", "x"), ("set -a\n. D/other\nset +a\n", "x"), ("[ -f D/none ] && . D/none\n", None),
    ("if test -e D/none; then . D/none; fi\n", None), (". D/other\nA=y\n", "y"), (". D/two\n", "x"),
    ("[ -f D/other ] && [ -r D/other ] && . D/other || true\n", "x"),
])
def test_another_file_is_read_by_the_same_rules(tmp_path, text, found):
    (tmp_path / "other").write_text("A=x\n")
    (tmp_path / "two").write_text(". %s/other\n" % tmp_path)
    assert variables("/etc/env.conf", text.replace("D/", "%s/" % tmp_path).replace("=D\n", "=%s\n" % tmp_path),
                     {}).get("A") == found


@pytest.mark.parametrize("text, why", [
    (". D/none\n", "cannot be read"), (". other\n", "whole path"), (". ./other\n", "whole path"),
    (". $X/other\n", "which file"), (". D/self\n", "read each other"), (". D\n", "cannot be read"),
    ("true && . D/none\n", "cannot be read"), ("if ! [ -f D/none ]; then . D/none; fi\n", "cannot be read"),
    (". D/wrong\n", "wrong, line 2"), ("source D/other\n", "no 'source'"), (". D/long\n", "longer than"),
    ("if [ -f D/other ]; then . D/other; fi | cat\n", "another process"),
])
def test_another_file_that_cannot_be_followed_is_an_error(tmp_path, monkeypatch, text, why):
    monkeypatch.setattr(shell_script, "knows_source", lambda: False)
    (tmp_path / "other").write_text("A=x\n")
    (tmp_path / "wrong").write_text("A=x\neval A=y\n")
    (tmp_path / "self").write_text(". %s/self\n" % tmp_path)
    (tmp_path / "long").write_text("#" * shell_script.MOST + "\nA=1\n")
    with pytest.raises(Unreadable) as error:
        variables("/etc/env.conf", text.replace("D\n", "%s\n" % tmp_path).replace("D/", "%s/" % tmp_path), {})
    assert why in error.value.reason


@pytest.mark.parametrize("text", ["true && . D/other\n", "[ -f D/more ] && . D/other\n", "[ -f D/other ] || . D/other\n",
                                  "if x; then . D/other; fi\n", "for B in 1; do . D/other; done\n", ". D/other | cat\n",
                                  "if [ -f D/other ]; then A=y; else . D/other; fi\n", "! [ -f D/other ] && . D/other\n",
                                  "if x && [ -f D/other ]; then . D/other; fi\n", ". D/more\n"])
def test_what_another_file_sets_under_a_condition_is_unknown(tmp_path, text):
    (tmp_path / "other").write_text("A=x\n")
    (tmp_path / "more").write_text("\nx && A=x\n")
    found = variables("/etc/env.conf", text.replace("D/", "%s/" % tmp_path), {})["A"]
    assert "condition" in found.reason and found.path == ("%s/more" % tmp_path if "more\n" in text else "/etc/env.conf")
