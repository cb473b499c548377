# SPDX-License-Identifier: Apache-2.0
"""`quorate plan`: what stands on which channel, and the exit codes."""

import os
import subprocess

import pytest

from tests import ROOT

QUORATE = os.path.join(ROOT, "bin", "quorate")
THREE = os.path.join(ROOT, "examples", "plan-three-controllers.toml")


def run(*words):
    done = subprocess.run([QUORATE, "plan"] + list(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
                          universal_newlines=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_check_says_what_it_saw():
    code, out, err = run("check", THREE)

    assert (0, "") == (code, err)
    assert out.endswith("nothing is wrong with it (3 nodes, 2 VIPs, 17 services).\n")


def test_check_prints_a_line_for_each_mistake(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text('[plan]\nnam = "x"\nbalance = 3\n')
    code, out, err = run("check", str(path))

    assert (1, "") == (code, out)
    lines = err.splitlines()
    assert lines[:2] == [
        "%s:2: plan.nam: There is no key 'nam' in [plan]. Did you mean 'name'?" % path,
        "%s:3: plan.balance: 3 is not one of source, roundrobin. Write one of them, in quotes." % path]


@pytest.mark.parametrize("verb", ["check", "haproxy"])
def test_a_file_that_cannot_be_read(verb, tmp_path):
    code, out, err = run(verb, str(tmp_path / "none.toml"))

    assert (1, "") == (code, out)
    assert "cannot be read: No such file or directory." in err


def test_a_file_from_another_system(tmp_path):
    """Ends of lines and the mark at the beginning that editors of Windows write."""
    path = tmp_path / "plan.toml"
    with open(THREE, encoding="utf-8") as file:
        text = file.read()
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert 0 == run("check", str(path))[0]

    path.write_bytes(text.replace("cidr", "cdir", 1).replace("\n", "\r\n").encode())
    line = text[:text.index("cidr")].count("\n") + 1
    assert run("check", str(path))[2].startswith("%s:%d: networks.management.cdir: " % (path, line))


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_bytes(b"\xff\xfe")

    assert 1 == run("check", str(path))[0]


@pytest.mark.parametrize("words", [(), ("chek", THREE), ("check",), ("haproxy",), ("haproxy", THREE, "n1"),
                                   ("keepalived", THREE), ("schema", THREE)])
def test_what_is_not_understood(words):
    code, out, err = run(*words)

    assert 2 == code
    assert "usage: quorate plan" in out + err


def test_a_node_that_is_not_there():
    code, out, err = run("systemd", THREE, "n9")

    assert (1, "") == (code, out)
    assert "there is no node 'n9'" in err and "n1, n2, n3" in err


def test_a_text_goes_to_standard_output():
    code, out, err = run("haproxy", THREE)

    assert (0, "") == (code, err)
    assert "\nlisten galera_cluster\n" in out
