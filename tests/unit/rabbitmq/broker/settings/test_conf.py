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
