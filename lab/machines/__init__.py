# SPDX-License-Identifier: Apache-2.0
"""The nodes of a lab: machines, their network, their power."""
