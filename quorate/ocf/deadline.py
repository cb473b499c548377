# SPDX-License-Identifier: Apache-2.0
"""When an action has to be over.

Pacemaker kills the whole process group with SIGKILL at the timeout, and what the agent had to say is lost. An action
therefore ends a little earlier, by itself, with a reason.
"""
