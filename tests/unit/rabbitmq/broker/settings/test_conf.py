# SPDX-License-Identifier: Apache-2.0
"""rabbitmq.conf: what cuttlefish 3.4 of RabbitMQ 4.0.5 makes of quotes, and files that include others."""

import pytest

from quorate.errors import Unreadable
from quorate.rabbitmq.broker.settings import conf


@pytest.mark.parametrize("line, value", [
    ("a = 'x'", "x"), ("a = 'a # b'", "a # b"), ("a = 'x' # c", "x"), ("a = ''", ""), ("a = x'y'", "x'y'"),
    ("a = '", "'"), ("a = x#y", "x"), ("a=x\r", "x")])
def test_value(line, value):
    assert conf.lines("/c", line) == [("a", value, 1)]


def test_a_file_includes_others_and_the_last_line_counts(tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "1.conf").write_text("a = 2\nb = 2\n")
    main = tmp_path / "rabbitmq.conf"
    main.write_text("a = 1\ninclude more/*.conf\nb = 3\n")
    found = conf.read([str(main)])
    assert {name: (one.value, one.line) for name, one in found.items()} == {"a": ("2", 1), "b": ("3", 3)}


def test_files_that_include_each_other_end(tmp_path):
    main = tmp_path / "rabbitmq.conf"
    main.write_text("include rabbitmq.conf\n")
    with pytest.raises(Unreadable) as error:
        conf.read([str(main)])
    assert "include each other" in error.value.reason


@pytest.mark.parametrize("text, value", [
    ("a = '''x\ny'''\nb = 1\n", "x\ny"), ("a = '''\nx\n  y\n''' # c\nb = 1", "x\n  y"),
    ("a = '''\r\nx\r\n'''\r\nb = 1\r\n", "x"),
    ("a = '''x = 1\n# no comment\n'''\nb = 1", "x = 1\n# no comment"), ("a = '''\n'''\nb = 1", "")])
def test_a_value_of_several_lines(text, value):
    """RabbitMQ 4.2 has them (cuttlefish 3.6); one made the whole file not understood."""
    number = text.replace("\r", "").split("\n").index("b = 1") + 1
    assert conf.lines("/c", text.replace("\r\n", "\n")) == [("a", value, 1), ("b", "1", number)]


@pytest.mark.parametrize("text", ["a = 1\nb = '''x\ny\n", "a = 1\nb = '''x\ny''' z\nc = 1\n", "a = 1\nb = '''"])
def test_one_that_does_not_end_is_not_understood(text):
    with pytest.raises(Unreadable) as error:
        conf.lines("/c", text)
    assert error.value.reason == "/c, line 2: the value of several lines does not end."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_with_a_byte_order_mark(tmp_path, encoding):
    text = "a = \u00e4\r\nb = 2\n"
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    (tmp_path / "c").write_bytes(mark + text.encode(encoding))
    assert {name: one.value for name, one in conf.read([str(tmp_path / "c")]).items()} == {"a": "\u00e4", "b": "2"}


@pytest.mark.parametrize("value", ["$(LOGDIR)", "/var/$(x)/y", "$(</etc/x)"])
def test_what_rabbitmq_fills_in_is_not_the_value(value):
    with pytest.raises(Unreadable) as error:
        conf.Setting(value, "/c", 3).plain()
    assert error.value.reason == "/c, line 3: RabbitMQ fills in %s: write the value itself." % value
    assert conf.Setting("$x (y)", "/c", 3).plain() == "$x (y)"
