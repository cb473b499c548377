# SPDX-License-Identifier: Apache-2.0
"""The way into an agent: exit codes, exit reasons, who sees what."""

import pytest

from quorate.ocf import codes
from quorate.ocf.agent import Agent, run_agent
from quorate.ocf.codes import Failed, Outcome
from quorate.ocf.declaration import Action, Parameter
from quorate.pacemaker.tools import Unavailable

NAMES = ("start", "stop", "monitor", "notify", "demote", "validate-all")
CLUSTER = {
    "PCMK_service": "pacemaker-execd", "HA_LOGFACILITY": "none", "OCF_RESOURCE_INSTANCE": "db",
    "OCF_RESKEY_CRM_meta_timeout": "20000", "OCF_RESKEY_CRM_meta_on_node": "n1",
    "OCF_RESKEY_CRM_meta_interval": "10000",
}
PARAMETERS = (
    Parameter("port", "integer", "3306", "s", "l"),
    Parameter("wait", "seconds", "30s", "s", "l"),
    Parameter("password", "string", None, "s", "l", secret=True),
)


def agent(handler, parameters=PARAMETERS):
    return Agent("sample", "s", "l", parameters, tuple(Action(name, 20) for name in NAMES),
                 {name: handler for name in NAMES})


def run(handler, action="monitor", parameters=PARAMETERS, **environ):
    return run_agent(agent(handler, parameters), ["sample", action], dict(CLUSTER, **environ))


def raiser(error):
    def handler(_context):
        raise error
    return handler


def test_the_code_of_the_handler_is_the_exit_code_and_a_healthy_monitor_says_nothing(capsys):
    assert run(lambda context: Outcome(codes.RUNNING_PROMOTED)) == 8
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("code", sorted(codes.NAMES))
def test_every_code_passes_from_a_recurring_monitor(code):
    assert run(lambda context: Outcome(code)) == code


def test_the_reason_is_the_only_thing_on_stderr_under_the_cluster(capsys, tmp_path):
    def handler(context):
        context.log.say("looking")
        context.log.info("found")
        context.log.error("bad")
        return Outcome(codes.DEGRADED, "One reason,\n  in two lines.")
    assert run(handler, HA_LOGFILE=str(tmp_path / "log")) == 190
    assert capsys.readouterr() == ("", "ocf-exit-reason:One reason, in two lines.\n")
    assert "ERROR: bad" in (tmp_path / "log").read_text()


def test_the_prefix_is_the_one_that_pacemaker_names(capsys):
    run(lambda context: Outcome(1, "Why."), OCF_EXIT_REASON_PREFIX="reason=")
    assert capsys.readouterr().err == "reason=Why.\n"


def test_run_by_an_operator_the_narration_is_shown_line_by_line(capsys):
    def handler(context):
        context.log.say("The process runs.")
        context.log.warning("It is old.")
        return Outcome(0)
    assert run(handler, PCMK_service="crm_resource") == 0
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines() == ["The process runs.", "WARNING: It is old.", "Result: 0 (ok)."]


def test_validate_all_of_pcs_sees_warnings_but_no_narration(capsys):
    def handler(context):
        context.log.say("story")
        context.log.warning("This will hurt.")
        return Outcome(0)
    assert run(handler, "validate-all", PCMK_service="crm_resource") == 0
    assert capsys.readouterr().err == "WARNING: This will hurt.\n"


@pytest.mark.parametrize("name", ["", "restart", "Monitor", "monitor ", "--help-me", "é"])
def test_an_unknown_action_is_3_and_nothing_on_stdout(name, capsys):
    assert run_agent(agent(lambda context: Outcome(0)), ["sample", name] if name else ["sample"], dict(CLUSTER)) == 3
    out, err = capsys.readouterr()
    assert out == "" and "ocf-exit-reason:" in err


def test_further_arguments_are_ignored():
    assert run_agent(agent(lambda context: Outcome(7)), ["sample", "monitor", "x", "--y"], dict(CLUSTER)) == 7


def test_a_missing_value_is_6_and_names_the_parameter(capsys):
    must = (Parameter("must", "string", None, "s", "l", required=True),)
    assert run(lambda context: Outcome(0), "start", must) == codes.ERR_CONFIGURED
    assert "Parameter must is not set" in capsys.readouterr().err


def test_all_invalid_values_are_named_and_the_first_is_the_reason(capsys):
    bad = {"OCF_RESKEY_port": "x", "OCF_RESKEY_wait": "soon"}
    assert run(lambda context: Outcome(0), "validate-all", PCMK_service="crm_resource", **bad) == 6
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("ERROR: Parameter port:") and lines[1].startswith("ERROR: Parameter wait:")
    assert lines[2].startswith("ocf-exit-reason:Parameter port:") and "1 more" in lines[2]


@pytest.mark.parametrize("action", ["stop", "demote", "notify"])
def test_what_gets_out_of_the_way_works_with_invalid_parameters(action):
    seen = []

    def handler(context):
        seen.append((context.parameters.port, context.parameters.wait))
        return Outcome(0)
    assert run(handler, action, OCF_RESKEY_port="x", OCF_RESKEY_wait="soon") == 0
    assert seen == [(3306, 30.0)]


@pytest.mark.parametrize("code", [codes.ERR_ARGS, codes.ERR_INSTALLED])
def test_on_a_probe_a_local_failure_is_not_running_without_a_reason(code, capsys):
    assert run(lambda context: Outcome(code, "No mysqld here."), OCF_RESKEY_CRM_meta_interval="") == 7
    assert capsys.readouterr().err == ""
    assert run(lambda context: Outcome(code, "No mysqld here.")) == code


@pytest.mark.parametrize("code", [1, 4, 6, 9])
def test_on_a_probe_other_failures_stay_what_they_are(code):
    assert run(lambda context: Outcome(code, "Why."), OCF_RESKEY_CRM_meta_interval="") == code


def test_stop_is_never_7_and_notify_never_fails():
    assert run(lambda context: Outcome(7), "stop") == 0
    assert run(lambda context: Outcome(1, "lost"), "notify") == 0
    assert run(raiser(Failed(1, "lost")), "notify") == 0
    assert run(raiser(ZeroDivisionError()), "notify") == 0


def test_an_unexpected_exception_is_one_sentence_and_code_1(capsys):
    assert run(raiser(KeyError("thing"))) == 1
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and err.startswith("ocf-exit-reason:sample monitor failed")
    assert "Traceback" not in err


def test_the_trace_of_an_unexpected_exception_is_in_the_log(tmp_path):
    run(raiser(KeyError("thing")), OCF_RESKEY_trace_ra="1", OCF_RESKEY_trace_file=str(tmp_path / "trace"))
    assert "Traceback" in (tmp_path / "trace").read_text()


def test_a_cluster_that_does_not_run_is_reported_as_such(capsys):
    assert run(raiser(Unavailable("Pacemaker does not run here."))) == 1
    assert capsys.readouterr().err == "ocf-exit-reason:Pacemaker does not run here.\n"


def test_failed_ends_an_action_with_its_code(capsys):
    assert run(raiser(Failed(codes.ERR_PERM, "Not yours."))) == 4
    assert "Not yours." in capsys.readouterr().err


@pytest.mark.parametrize("error", [SystemExit(2), SystemExit("text"), KeyboardInterrupt(), MemoryError(),
                                   RecursionError()])
def test_no_exception_becomes_an_ocf_code_by_accident(error, capsys):
    assert run(raiser(error)) == 1
    assert "ocf-exit-reason:" in capsys.readouterr().err


def test_something_else_than_an_outcome_is_our_mistake_and_code_1():
    assert run(lambda context: None) == 1
    assert run(lambda context: 0) == 1


def test_a_secret_is_nowhere(capsys, tmp_path):
    def handler(context):
        context.log.say("it is hunter2")
        context.log.error("it is hunter2")
        raise ValueError("hunter2 is wrong")
    trace = tmp_path / "trace"
    assert run(handler, PCMK_service="crm_resource", OCF_RESKEY_password="hunter2", OCF_RESKEY_trace_ra="1",
               OCF_RESKEY_trace_file=str(trace)) == 1
    assert "hunter2" not in capsys.readouterr().err
    assert "hunter2" not in trace.read_text() and "****" in trace.read_text()
    assert trace.stat().st_mode & 0o077 == 0


def test_the_trace_shows_commands_and_their_answers(tmp_path):
    trace = tmp_path / "trace"
    assert run(lambda context: Outcome(context.commands.run(["echo", "hello"], 10).rc),
               OCF_RESKEY_trace_ra="1", OCF_RESKEY_trace_file=str(trace)) == 0
    assert "ran echo hello: rc 0" in trace.read_text()


def test_tracing_to_stderr_as_crm_resource_wants_it(capsys):
    run(lambda context: Outcome(0), OCF_TRACE_RA="1", OCF_TRACE_FILE="/dev/stderr", PCMK_service="crm_resource")
    assert capsys.readouterr().err.count("Result: 0") == 1


def test_a_trace_that_cannot_be_written_does_not_fail_the_action(capsys, tmp_path):
    assert run(lambda context: Outcome(0), OCF_RESKEY_trace_ra="1",
               OCF_RESKEY_trace_file=str(tmp_path / "no" / "such")) == 0
    assert "cannot write the trace file" in capsys.readouterr().err


def test_a_very_long_reason_is_cut(capsys):
    run(lambda context: Outcome(1, "word " * 1000))
    assert len(capsys.readouterr().err) < 600


def test_metadata_and_usage_are_the_only_things_on_stdout(capsys):
    assert run_agent(agent(None), ["sample", "meta-data"], {}) == 0
    out, err = capsys.readouterr()
    assert out.startswith("<?xml") and err == ""
    assert run_agent(agent(None), ["sample", "usage"], {}) == 0
    out, err = capsys.readouterr()
    assert "validate-all" in out and err == ""


def test_validate_all_needs_no_handler():
    bare = Agent("sample", "s", "l", PARAMETERS, (Action("start", 20),), {})
    assert run_agent(bare, ["sample", "validate-all"], {}) == 0
    assert run_agent(bare, ["sample", "validate-all"], {"OCF_RESKEY_port": "x"}) == 6


def test_the_deadline_comes_from_the_timeout_of_the_operation():
    left = []
    run(lambda context: left.append(context.deadline.left()) or Outcome(0), OCF_RESKEY_CRM_meta_timeout="100000")
    assert 90 < left[0] <= 95


def test_empty_environment():
    assert run_agent(agent(lambda context: Outcome(7)), ["sample", "monitor"], {}) == 7


def test_validate_all_warns_of_parameters_that_do_nothing(capsys):
    parameters = PARAMETERS + (Parameter("old", "string", None, "s", "l", deprecated=("wait",)),)
    environ = {"OCF_RESKEY_prot": "1", "OCF_RESKEY_old": "x", "OCF_RESKEY_crm_feature_set": "3.16.1",
               "OCF_RESKEY_trace_ra": "0", "OCF_RESKEY_CRM_meta_timeout": "20000"}
    assert run(lambda context: Outcome(0), "validate-all", parameters, PCMK_service="crm_resource", **environ) == 0
    assert capsys.readouterr().err.splitlines() == [
        "WARNING: Parameter old is deprecated; use wait instead.",
        "WARNING: Parameter prot is unknown to sample and has no effect; did you mean port?"]
