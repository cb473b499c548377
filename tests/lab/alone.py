# SPDX-License-Identifier: Apache-2.0
"""The node without a cluster that the demo shows where no lab can run, for the tests."""
