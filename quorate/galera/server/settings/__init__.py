# SPDX-License-Identifier: Apache-2.0
"""How the server is set up on this machine: its settings, and the command lines of its runs."""
