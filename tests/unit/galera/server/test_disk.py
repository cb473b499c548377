# SPDX-License-Identifier: Apache-2.0
"""What is on the disk of a node whose server does not run."""

import pytest

from quorate.galera.server.disk import remove_closed_log


@pytest.mark.parametrize("mark, stays", [
    (b"\xfe\x23\x05\x74\x02", True),   # a log in use when the server died: its content decides
    (b"A\x23\x05\x74\x02", False),      # closed, and could not be deleted
    (b"\0\0\0\0\0", False),            # made, never written
    (b"", False),
    (b"something else", True),
])
def test_a_transaction_log_without_content_does_not_keep_the_server_from_starting(tmp_path, mark, stays):
    log = tmp_path / "tc.log"
    log.write_bytes(mark)
    remove_closed_log(str(tmp_path))
    assert log.exists() == stays


def test_no_transaction_log_is_fine(tmp_path):
    remove_closed_log(str(tmp_path))
