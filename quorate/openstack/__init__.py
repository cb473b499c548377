# SPDX-License-Identifier: Apache-2.0
"""Services of an OpenStack control plane: one engine that starts, watches and stops them, one declaration each."""
