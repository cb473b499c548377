# SPDX-License-Identifier: Apache-2.0
"""Who founds the cluster, who joins it, and who boots without waiting. Pure, but for `published`."""
