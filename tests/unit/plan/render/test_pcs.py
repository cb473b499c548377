# SPDX-License-Identifier: Apache-2.0
"""quorate plan pcs: the script of the examples as it was last looked at, and what must hold of it.

`QUORATE_GOLDEN=1 pytest` writes the golden files anew; then read the difference.
"""

import os
import subprocess

import pytest

from quorate.galera.declaration import ACTIONS
from quorate.plan.render import pcs
from quorate.plan.resources import wanted
from tests import ROOT
from tests.unit.plan.examples import EXAMPLES, plan_of


def lines(plan, version=None):
    return [pcs.line(step.words) for section in pcs.sections(plan, version) for step in section.steps]


@pytest.mark.parametrize("version", ["2.1", "3.0"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_golden(name, version):
    text = pcs.render(plan_of(name), version)
    path = os.path.join(ROOT, "tests", "golden", "plan", "%s.%s.pcs" % (name, version))
    if os.environ.get("QUORATE_GOLDEN"):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    with open(path, encoding="ascii") as file:
        assert file.read() == text


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_shell_reads_it(name):
    subprocess.run(["sh", "-n"], input=pcs.render(plan_of(name)), check=True, universal_newlines=True)


def run_script(text, tmp_path, *words):
    """Run it with a pcs and a crm_simulate that only write down how they were called."""
    (tmp_path / "bin").mkdir()
    for name in ("pcs", "crm_simulate", "crm_verify"):
        tool = tmp_path / "bin" / name
        tool.write_text('#!/bin/sh\necho "%s $*" >>"%s/log"\ncase "$1 $2" in "cluster cib") : >"$3";; esac\n' % (
            name, tmp_path))
        tool.chmod(0o755)
    (tmp_path / "log").write_text("")
    (tmp_path / "script").write_text(text)
    done = subprocess.run(["sh", str(tmp_path / "script")] + list(words), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE,
                          env={"PATH": "%s:/usr/bin:/bin" % (tmp_path / "bin")}, universal_newlines=True)
    return done, (tmp_path / "log").read_text().splitlines()


def test_nothing_is_changed_without_the_word_apply(tmp_path):
    done, log = run_script(pcs.render(plan_of("three-controllers")), tmp_path)
    assert done.returncode == 0, done.stderr
    assert log[0].startswith("pcs cluster cib ") and log[-1].startswith("crm_simulate ")
    assert all(line.startswith("pcs -f /") for line in log[1:-2])
    assert "Nothing was changed. To apply it: sh " in done.stdout


def test_apply_hands_all_over_at_once(tmp_path):
    done, log = run_script(pcs.render(plan_of("three-controllers")), tmp_path, "apply")
    assert done.returncode == 0, done.stderr
    assert log[-1].startswith("pcs cluster cib-push /") and "diff-against=" in log[-1]
    assert all(line.startswith(("pcs -f /", "crm_")) for line in log[1:-1])


def test_fencing_that_is_not_in_the_plan_is_not_forgotten(tmp_path):
    done, log = run_script(pcs.render(plan_of("five-dedicated")), tmp_path, "apply")
    assert (done.returncode, log) == (1, [])
    assert "the fence device of ctl1 is not filled in" in done.stderr and "Nothing was done" in done.stderr


def test_fencing_that_was_filled_in_is_used(tmp_path):
    text = pcs.render(plan_of("five-dedicated")).replace('="FILL-IN"', '="fence_ipmilan ip=203.0.113.1"')
    done, log = run_script(text, tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.partition(".xml ")[2] for line in log if "stonith create fence-data3" in line] == [
        "stonith create fence-data3 fence_ipmilan ip=203.0.113.1 pcmk_host_list=data3 pcmk_host_check=static-list "
        "op monitor interval=60s timeout=60s"]


def test_timeouts_are_those_that_the_agent_declares():
    create = next(line for line in lines(plan_of("three-controllers")) if "ocf:quorate:galera" in line)
    for action in ACTIONS:
        if action.name in ("start", "stop", "promote", "demote"):
            assert " op %s timeout=%ds " % (action.name, action.timeout) in create
        elif action.name == "monitor":
            assert " op monitor interval=%ds timeout=%ds role=%s " % (action.interval, action.timeout,
                                                                      action.role) in create
    assert create.endswith(" promotable promoted-max=3")  # with the word meta it would have no effect


def test_levels_of_check():
    create = next(line for line in lines(plan_of("three-controllers")) if "ocf:quorate:heat-engine" in line)
    assert " op monitor interval=31s timeout=30s OCF_CHECK_LEVEL=10 " in create


def test_rules_of_both_releases():
    plan = plan_of("five-dedicated")
    start = "pcs constraint location galera-clone rule resource-discovery=exclusive score=0 "
    assert start + "role-database eq true" in lines(plan, "2.1")
    assert start + "'role-database eq true'" in lines(plan, "3.0")


def test_one_who_runs_everywhere_has_no_rule():
    assert [line for line in lines(plan_of("three-controllers")) if " location " in line] == [
        "pcs constraint location fence-n%d avoids n%d" % (number, number) for number in (1, 2, 3)]


def test_a_placement_that_is_no_role():
    plan = plan_of("three-controllers", ("heat_engine = {}", 'heat_engine = { placement = ["n3", "n1"] }'))
    found = [line for line in lines(plan) if "location heat-engine" in line]
    assert found == ["pcs constraint location heat-engine avoids n2",
                     "pcs constraint location heat-engine prefers n3=20 n1=10"]


def test_without_vips_of_its_own_the_cluster_has_no_haproxy():
    want = wanted(plan_of("two-endpoints"))
    assert want.nodes == ("n1", "n2", "n3")
    assert not {"haproxy", "vip-internal"} & {one.id for one in want.resources} and want.colocations == ()


def test_the_console_group():
    plan = plan_of("five-dedicated")
    assert [one.id for one in wanted(plan).resources if one.top == "console"] == ["nova-consoleauth", "nova-novncproxy"]
    assert "pcs constraint order start rabbitmq-clone then start console kind=Optional" in lines(plan)


def test_the_unit_of_the_system():
    create = [line for line in lines(plan_of("three-controllers", ('pacemaker = "2.1"', 'system = "redhat"')))
              if "create httpd" in line]
    assert create[0].startswith("pcs resource create httpd systemd:httpd ")
