# SPDX-License-Identifier: Apache-2.0
"""What takes longer than a commit may wait for: `scripts/test tests/deep`."""
