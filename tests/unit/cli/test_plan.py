# SPDX-License-Identifier: Apache-2.0
"""`quorate plan`: what stands on which channel, and the exit codes."""

import os
import subprocess

import pytest

from quorate.cli import plan
from quorate.errors import Refused, Usage
from quorate.host.command import Result
from quorate.plan import advice
from quorate.plan.render import pcs
from tests import ROOT
from tests.fakes import FakeCommands
from tests.unit.plan.examples import path_of, plan_of

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


def test_check_says_what_two_brokers_cannot_have(tmp_path):
    path = tmp_path / "plan.toml"
    with open(THREE, encoding="utf-8") as file:
        text = file.read()
    path.write_text(text.replace("rabbitmq = {}", 'rabbitmq = { placement = ["%s", "%s"] }' % tuple(
        node.name for node in plan_of("three-controllers").nodes[:2])))
    code, out, err = run("check", str(path))

    assert (0, "") == (code, err)
    (line,) = [line for line in out.splitlines() if "advice" in line]
    assert line.startswith("%s: advice: services.rabbitmq: Of two brokers" % path)
    assert "Add a third node" in line and "autoheal" in line
    script = pcs.render(plan.load(str(path)))
    assert "pause_minority" in script and "pause_minority" not in pcs.render(plan_of("three-controllers"))


@pytest.mark.parametrize("count, word", [(0, None), (1, None), (2, "third node"), (3, None),
                                         (4, "no more failures than 3"), (5, None), (6, "an odd number")])
def test_advice_about_the_number_of_brokers(count, word):
    text = advice.brokers(["n%d" % number for number in range(count)])

    assert text is None if word is None else word in text


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


# -- pcs

def test_pcs_prints_the_script():
    assert run("pcs", path_of("five-dedicated"), "--pacemaker", "2.1") == (0,
                                                                           pcs.render(plan_of("five-dedicated"), "2.1"),
                                                                           "")


@pytest.mark.parametrize("words", [[], ["a", "b"], ["--what", "a"], ["a", "--pacemaker"], ["a", "--pacemaker", "1.1"],
                                   ["a", "--shadow"]])
def test_words_of_pcs_that_mean_nothing(words):
    with pytest.raises(Usage):
        plan.pcs(words)


def test_shadow_begins_with_an_empty_configuration_where_no_cluster_runs(tmp_path):
    three, path = plan_of("three-controllers"), str(tmp_path / "cib.xml")
    commands = FakeCommands().allow("cibadmin", "-Q", rc=102).allow("pcs", "-f", path, ...)
    text = plan.shadow(three, path, "2.1", commands)
    assert ["pcs"] + [word for word in commands.calls[-1][3:]] == pcs.line(
        pcs.sections(three, "2.1")[-1].steps[-1].words).split()
    assert len(commands.calls) == 1 + sum(len(section.steps) for section in pcs.sections(three, "2.1"))
    with open(path, encoding="utf-8") as file:
        assert '<node id="3" uname="n3"/>' in file.read()
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert "crm_simulate --simulate --xml-file %s --node-up n1 --node-up n2 --node-up n3\n" % path in text


def test_shadow_of_a_running_cluster_and_of_a_file(tmp_path):
    three, path = plan_of("three-controllers"), str(tmp_path / "cib.xml")
    commands = FakeCommands().allow("cibadmin", "-Q", out="<cib/>").allow("pcs", "-f", path, ...)
    assert "--node-up" not in plan.shadow(three, path, "2.1", commands)
    with open(path, encoding="utf-8") as file:
        assert file.read() == "<cib/>"
    plan.shadow(three, path, "2.1", FakeCommands().allow("pcs", "-f", path,
                                                         ...))  # the file is there: the cluster is not asked


def test_shadow_says_what_pcs_says(tmp_path):
    path = str(tmp_path / "cib.xml")
    commands = FakeCommands().allow("cibadmin", ..., rc=127).allow("pcs", "-f", path, ..., then=lambda argv,
                                                                   _stdin: Result(
        argv, 1, "", "Error: Agent 'ocf:quorate:x' is not installed\nError: Errors have occurred, therefore pcs is unable to "
        "continue\n", False))
    with pytest.raises(Refused, match="pcs -f .*property set.*: Error: Agent 'ocf:quorate:x' is not installed"):
        plan.shadow(plan_of("three-controllers"), path, "2.1", commands)


def test_shadow_needs_fencing_too(tmp_path):
    with pytest.raises(Refused, match="no fence device for ctl1, ctl2, data1, data2, data3"):
        plan.shadow(plan_of("five-dedicated"), str(tmp_path / "cib.xml"), "3.0", FakeCommands())


@pytest.mark.parametrize("out, version", [("0.11.5\n", "2.1"), ("0.12.0.2\n", "3.0"), ("0.10.8\n", None), ("", None)])
def test_the_release_of_pcs(out, version):
    assert plan.installed_version(FakeCommands().expect("pcs", "--version", out=out)) == version
