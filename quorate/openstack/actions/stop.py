# SPDX-License-Identifier: Apache-2.0
"""stop: end every process of the service, and prove it."""

import os

from quorate.host.state_files import StateFiles
from quorate.ocf import codes
from quorate.ocf.codes import Outcome
from quorate.openstack.facts import FAILED_FILE, HEARTBEATS_FILE, SERVICE_FILE, SYMPTOMS_FILE
from quorate.openstack.service import process, stopping
from quorate.openstack.service.sources import Sources


def stop(context, service, state_files=None, sources=None):
    """End every process and prove it. An Outcome. Needs no configuration, no software, no cluster."""
    state_files = state_files or StateFiles(service.name, context.instance, log=context.log)
    sources = sources or Sources(context.commands)
    processes = process.all_processes(context, service, sources)
    held = stopping.listeners(sources, processes) if service.port is not None else {}
    reason = stopping.stop(context, service, state_files, sources, max(3.0, context.deadline.left() - 3.0))
    if reason:
        return Outcome(codes.ERR_GENERIC, reason)
    if held and not context.deadline.poll(lambda: not sources.connections().listening(held), every=0.1, up_to=2.0):
        ports = ", ".join(str(held[inode]) for inode in sources.connections().listening(held))
        return Outcome(codes.ERR_GENERIC, "Not stopped: its processes are gone, but another process inherited the "
                       "listening socket and holds port %s; see 'ss -ltnp'." % ports)
    for name in (SERVICE_FILE, SYMPTOMS_FILE, HEARTBEATS_FILE, FAILED_FILE, "output"):
        state_files.forget(name)
    if context.parameters.pid:
        try:
            os.unlink(context.parameters.pid)
        except OSError:
            pass
    return Outcome(codes.SUCCESS)
