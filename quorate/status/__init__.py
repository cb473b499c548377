# SPDX-License-Identifier: Apache-2.0
"""The whole control plane on one screen."""
