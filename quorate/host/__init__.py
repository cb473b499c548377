# SPDX-License-Identifier: Apache-2.0
"""The machine: commands, processes, clock. Each is a small class that is passed in, so that tests pass a fake."""
