# SPDX-License-Identifier: Apache-2.0
"""This machine: commands, processes, sockets, files, units, clock. Each class is passed in, so that tests pass a
fake."""
