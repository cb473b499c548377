# SPDX-License-Identifier: Apache-2.0
"""What Pacemaker, pcs, crmsh and ocf-tester rely on, for every agent, where nothing of its service is installed."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.readable import by_others

PROBE_ANSWERS = (5, 7)


def reasons(ran):
    return [line for line in ran.err.splitlines() if line.startswith("ocf-exit-reason:")]


def quiet(ran):
    """Nothing on stdout, no stack trace, and every line on stderr is an exit reason."""
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert [line for line in ran.err.splitlines() if not line.startswith("ocf-exit-reason:")] == []


def test_a_probe_where_nothing_is_installed(machine):
    ran = machine.run("monitor", machine.cluster())
    assert ran.code in PROBE_ANSWERS
    quiet(ran)
    assert ran.err == "" or ran.code != 7, "a probe that finds nothing has nothing to explain"


def test_a_recurring_monitor_where_nothing_runs(machine):
    ran = machine.run("monitor", machine.cluster(OCF_RESKEY_CRM_meta_interval="10000"))
    assert ran.code != 0
    quiet(ran)
    assert ran.code == 7 or len(reasons(ran)) == 1


@pytest.mark.parametrize("level", ["0", "10", "20"])
def test_a_probe_at_every_level(machine, level):
    assert machine.run("monitor", machine.cluster(OCF_CHECK_LEVEL=level)).code in PROBE_ANSWERS


def test_a_monitor_with_an_empty_environment(machine):
    ran = machine.run("monitor", {})
    assert "Traceback" not in ran.err and ran.out == ""


def test_a_monitor_run_by_an_operator_narrates_what_it_observed(machine):
    ran = machine.run("monitor", machine.bare(PCMK_service="crm_resource"))
    assert ran.code in PROBE_ANSWERS and ran.out == ""
    assert len(ran.err.splitlines()) >= 2, "at least one thing looked at, and the result"


def test_stop_where_the_software_is_missing(machine):
    ran = machine.run("stop", machine.cluster())
    assert ran.code == 0, ran.err
    quiet(ran)


def test_stop_twice(machine):
    assert [machine.run("stop", machine.cluster()).code for _ in range(2)] == [0, 0]


def test_stop_with_every_parameter_wrong(machine):
    """stop gets the parameters of the last start, or new ones nobody has checked; it has to work in any case."""
    wrong = {"OCF_RESKEY_" + parameter.name: "no such thing" for parameter in machine.declaration.parameters
             if parameter.kind != "string"}
    ran = machine.run("stop", machine.cluster(**wrong))
    assert ran.code == 0, ran.err
    quiet(ran)


@pytest.mark.parametrize("action", ["", "restart", "MONITOR", "recover", "reload", "status "])
def test_an_unknown_action(machine, action):
    assert action not in {known.name for known in machine.declaration.advertised()}
    ran = machine.run(action, machine.cluster())
    assert ran.code == 3 and ran.out == "" and len(reasons(ran)) == 1


def test_no_action_at_all(machine):
    ran = machine.run(None, machine.cluster())
    assert ran.code == 3 and ran.out == ""


def test_notify_never_fails_where_there_is_one(machine):
    """One that is not declared is an unknown action like any other: Pacemaker sends it only with notify=true."""
    if "notify" not in {action.name for action in machine.declaration.actions}:
        assert machine.run("notify", machine.cluster()).code == 3
        return
    for environ in (machine.cluster(), {}, machine.cluster(OCF_RESKEY_CRM_meta_notify_type="post")):
        ran = machine.run("notify", environ)
        assert ran.code == 0 and ran.out == ""


def test_validate_all_does_not_examine_the_machine_unless_asked(machine):
    """pcs runs it on the machine where the administrator types, which need not be one of the cluster."""
    ran = machine.run("validate-all", machine.bare(PCMK_service="crm_resource", OCF_RESOURCE_INSTANCE="test"))
    assert ran.code == 0, ran.err
    assert ran.out == "" and "Traceback" not in ran.err


def test_validate_all_as_crmsh_runs_it(machine):
    ran = machine.run("validate-all", dict(machine.bare(), OCF_ROOT="/usr/lib/ocf"))
    assert ran.code in (0, 2, 5, 6) and "Traceback" not in ran.err


@pytest.mark.parametrize("action", ["start", "monitor", "validate-all"])
def test_a_value_that_is_right_nowhere_is_6_and_one_sentence(machine, action):
    typed = [parameter for parameter in machine.declaration.parameters if parameter.kind != "string"]
    assert typed, "one that has text parameters only has nothing to refuse"
    wrong = {"OCF_RESKEY_" + parameter.name: "no such thing" for parameter in typed}
    ran = machine.run(action, machine.cluster(**wrong))
    quiet(ran)
    assert ran.code == 6 and len(reasons(ran)) == 1 and typed[0].name in ran.err
    interactive = machine.run(action, machine.bare(PCMK_service="crm_resource", **wrong)).err
    assert all("Parameter %s:" % parameter.name in interactive for parameter in typed), "all of them are named"


def test_secrets_are_not_repeated(secretive):
    values = {"OCF_RESKEY_" + one.name: "hunter2" for one in secretive.declaration.parameters if one.secret}
    for action in ("monitor", "stop", "validate-all", "start"):
        ran = secretive.run(action, secretive.bare(PCMK_service="crm_resource", OCF_RESKEY_trace_ra="1",
                                                   OCF_RESKEY_trace_file="/dev/stderr", **values))
        assert "hunter2" not in ran.err + ran.out


def test_start_where_the_software_is_missing_is_a_clear_failure(dependent):
    ran = dependent.run("start", dependent.cluster())
    # 1 where the database is installed, as on a developer's machine, and the cluster's tools are not
    assert ran.code in (1, 2, 5) and len(reasons(ran)) == 1 and "unexpectedly" not in ran.err
    quiet(ran)


def test_the_standard_streams_may_be_closed(machine):
    for closing in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        ran = machine.run("monitor", machine.cluster(), prefix=["sh", "-c", 'exec "$0" "$@" ' + closing])
        assert ran.code in PROBE_ANSWERS, closing


def test_nobody_reading_stderr_does_not_change_the_code(machine):
    ran = machine.run("monitor", machine.bare(PCMK_service="crm_resource"),
                      prefix=["sh", "-c", 'exec "$0" "$@" 2>/dev/full'])
    assert ran.code in PROBE_ANSWERS


def test_the_sequence_of_ocf_tester(sample):
    """start and stop twice each, monitored in between; with a service that any machine has."""
    environ = sample.cluster(OCF_RESKEY_state=str(sample.directory / "run" / "state"))
    steps = [("validate-all", 0), ("monitor", 7), ("start", 0), ("monitor", 0), ("start", 0), ("monitor", 0),
             ("reload-agent", 0), ("stop", 0), ("monitor", 7), ("stop", 0), ("monitor", 7)]
    for action, code in steps:
        ran = sample.run(action, environ)
        assert ran.code == code, (action, ran)
        quiet(ran)


OCF_TESTER = "/usr/sbin/ocf-tester"


@pytest.mark.skipif(not os.path.exists(OCF_TESTER),
                    reason="ocf-tester is not installed: apt-get install resource-agents")
def test_ocf_tester_itself(sample):
    """Its one check that cannot be kept is replaced: it validates meta-data against the DTD of OCF 1.0."""
    schema = Path(__file__).resolve().parents[1] / "golden" / "schema" / "ra-api-1.1.rng"
    text = Path(OCF_TESTER).read_text()
    assert re.search("^METADATA_LINT=.*$", text, re.MULTILINE)
    tester = sample.directory / "ocf-tester"
    tester.write_text(re.sub("^METADATA_LINT=.*$", 'METADATA_LINT="xmllint --noout --relaxng %s -"' % schema, text,
                             flags=re.MULTILINE))
    done = subprocess.run(
        ["sh", str(tester), "-v", "-n", "sample", "-o", "state=%s/run/state" % sample.directory,
         by_others(sample.path)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    assert done.returncode == 0 and b"passed all tests" in done.stdout, done.stdout.decode()


def test_ocf_tester_looks_for_agents_without_software(machine):
    ran = machine.run("monitor", machine.bare(OCF_TESTER_FAIL_HAVE_BINARY="1", OCF_ROOT="/usr/lib/ocf"))
    assert ran.code in PROBE_ANSWERS
