# SPDX-License-Identifier: Apache-2.0
"""What OCF asks of one node: start, monitor, stop."""
