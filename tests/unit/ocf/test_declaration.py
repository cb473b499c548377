# SPDX-License-Identifier: Apache-2.0
"""Reading parameters: strict, typed, every problem reported."""

import pytest

from quorate.ocf.declaration import Invalid, Parameter, read_all


def parameter(kind="string", default=None, **more):
    return Parameter("p", kind, default, "short", "long", **more)


@pytest.mark.parametrize("text", "yes true 1 on YES TRUE True ON ja".split())
def test_what_resource_agents_takes_for_true_is_true(text):
    assert parameter("boolean").read(text) is True


@pytest.mark.parametrize("text", "no false 0 off NO FALSE False OFF".split())
def test_false(text):
    assert parameter("boolean").read(text) is False


@pytest.mark.parametrize("text", ["maybe", "2", "tru", " ", "y", "-1", "truefalse", "\u0661"])
def test_a_boolean_is_not_guessed(text):
    with pytest.raises(Invalid) as caught:
        parameter("boolean").read(text)
    assert "neither true nor false" in str(caught.value)


@pytest.mark.parametrize("text, value", [("0", 0), ("3306", 3306), ("-5", -5), ("+7", 7), (" 12 ", 12), ("007", 7)])
def test_integer(text, value):
    assert parameter("integer").read(text) == value


@pytest.mark.parametrize("text", ["", " ", "1.5", "0x10", "1e3", "12a", "--1", "\u0661", "1_000", "\u00b2", "-"])
def test_not_an_integer(text):
    with pytest.raises(Invalid):
        parameter("integer").read(text)


@pytest.mark.parametrize("text, value", [
    ("30", 30.0), ("30s", 30.0), ("5min", 300.0), ("500ms", 0.5), ("2 h", 7200.0), ("1.5s", 1.5), ("1m", 60.0),
    ("0", 0.0), ("10S", 10.0), ("250000us", 0.25), (" 20s ", 20.0)])
def test_seconds(text, value):
    assert parameter("seconds").read(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["s", "5 parsecs", "-1", "1..5", ".", "", "1,5s", "10s20", "inf", "nan", "\u0665s",
                                  "soon", "3 weeks"])
def test_not_a_time(text):
    with pytest.raises(Invalid):
        parameter("seconds").read(text)


def test_minimum_holds_for_integers_and_times():
    with pytest.raises(Invalid, match="at least 10"):
        parameter("integer", minimum=10).read("9")
    with pytest.raises(Invalid, match="at least 5 seconds"):
        parameter("seconds", minimum=5).read("500ms")
    assert parameter("seconds", minimum=5).read("5s") == 5.0


def test_select_takes_its_options_and_nothing_else():
    select = parameter("select", options=("fast", "safe"))
    assert select.read("safe") == "safe"
    with pytest.raises(Invalid, match="fast, safe"):
        select.read("Safe")


def test_a_text_of_two_lines_is_refused():
    with pytest.raises(Invalid):
        parameter().read("a\nb")


def test_a_secret_is_in_no_message():
    with pytest.raises(Invalid) as caught:
        parameter("integer", secret=True).read("hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(Invalid) as caught:
        parameter("integer").read("x" * 10000)
    assert len(str(caught.value)) < 200


def test_an_unset_and_an_empty_parameter_have_the_default():
    declared = (parameter("seconds", "90s"),)
    assert read_all(declared, {})[0].p == 90.0
    assert read_all(declared, {"OCF_RESKEY_p": ""})[0].p == 90.0
    assert read_all((parameter(),), {})[0].p is None


def test_every_problem_is_reported_in_the_order_of_declaration_and_the_default_stands_in():
    declared = (
        Parameter("a", "integer", "3", "s", "l"),
        Parameter("b", "boolean", "true", "s", "l"),
        Parameter("c", "string", None, "s", "l", required=True),
    )
    values, problems = read_all(declared, {"OCF_RESKEY_a": "three", "OCF_RESKEY_b": "perhaps"})
    assert [problem.split()[1] for problem in problems] == ["a:", "b:", "c"]
    assert (values.a, values.b, values.c) == (3, True, None)


def test_the_message_for_a_missing_parameter_says_what_to_type():
    declared = (Parameter("c", "string", None, "s", "l", required=True),)
    _values, problems = read_all(declared, {"OCF_RESOURCE_INSTANCE": "db"})
    assert "pcs resource update db c=" in problems[0]


def test_values_show_no_values():
    values, _problems = read_all((parameter(secret=True),), {"OCF_RESKEY_p": "hunter2"})
    assert "hunter2" not in repr(values)
