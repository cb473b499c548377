# SPDX-License-Identifier: Apache-2.0
"""A plan as text: HAProxy, keepalived, pcs, systemd, xinetd. Pure."""
