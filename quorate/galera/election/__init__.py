# SPDX-License-Identifier: Apache-2.0
"""Who may open a primary component, who joins, and who is waited for. Pure, except for `published`."""
