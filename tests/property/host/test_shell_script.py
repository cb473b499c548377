# SPDX-License-Identifier: Apache-2.0
"""A settings file that is shell means what it means to dash and bash; what is not certain is unknown, or refused."""

import os
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from quorate.errors import Unreadable
from quorate.host.shell_script import Unknown, variables

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
                     "[ -f /none ] && . /none", "test -n x", "echo hello >/dev/null", "A+=z", "set -u", "set -- x",
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
def test_variables_are_what_the_shell_makes_of_them(tmp_path, shell):
    path = tmp_path / "env.conf"
    counts = {"certain": 0, "unknown": 0, "refused": 0}

    @settings(max_examples=250, deadline=None, print_blob=True,
              suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
    @given(_script)
    def same(text):
        path.write_text(text + "\n")
        try:
            found = variables(str(path), text + "\n", KNOWN)
        except Unreadable as error:
            counts["refused"] += 1
            assert "%s, line " % path in error.reason
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
    assert counts["certain"] > counts["unknown"] and counts["certain"] > counts["refused"], counts


@pytest.mark.parametrize("text, line", [
    ("A=1\n. /etc/other\n", 2), ("eval A=1\n", 1), ("f() {\nA=1\n}\n", 1), ("cat <<X\nA=1\nX\n", 1), ("$X A\n", 1),
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
