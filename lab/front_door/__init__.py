# SPDX-License-Identifier: Apache-2.0
"""What clients of every listener notice when something of the front door fails."""
