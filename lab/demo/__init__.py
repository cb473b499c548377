# SPDX-License-Identifier: Apache-2.0
"""The demo: a real cluster, failures and recoveries, watched live."""
