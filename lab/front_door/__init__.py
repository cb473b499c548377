# SPDX-License-Identifier: Apache-2.0
"""What clients of every listener feel when something of the front door fails."""
