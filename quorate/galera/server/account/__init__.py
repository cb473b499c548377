# SPDX-License-Identifier: Apache-2.0
"""What an account needs beyond its name: option files, settings of clustercheck, TLS."""
