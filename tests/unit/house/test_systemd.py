# SPDX-License-Identifier: Apache-2.0
"""The units of systemd with their drop-ins: what holds for each of them in the end."""

import os
import shutil
import subprocess

import pytest

from tests import ROOT

UNITS = os.path.join(ROOT, "systemd")
SERVICES = sorted(name for name in os.listdir(UNITS) if name.endswith(".service"))
HARDENING = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes", "ProtectKernelModules": "yes", "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectClock": "yes", "ProtectHostname": "yes", "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces": "yes", "RestrictRealtime": "yes", "RestrictSUIDSGID": "yes", "LockPersonality": "yes",
    "SystemCallArchitectures": "native", "SystemCallFilter": "@system-service", "UMask": "0077",
}
CAPABILITIES = {"quorate-haproxy-check.service": "CAP_SYS_PTRACE CAP_DAC_READ_SEARCH"}


def drop_ins(unit):
    """Paths of the drop-ins of a unit in the order in which systemd reads them (systemd.unit(5)): by file name, and of
    two with one name only that of the longer prefix."""
    stem, dot, kind = unit.partition(".")
    found, prefix = {}, stem
    while prefix:
        directory = os.path.join(UNITS, prefix + dot + kind + ".d")
        for name in os.listdir(directory) if os.path.isdir(directory) else ():
            found.setdefault(name, os.path.join(directory, name))
        head, dash, _ = prefix.rstrip("-").rpartition("-")
        prefix = head + dash
    return [found[name] for name in sorted(found)]


def settings(unit):
    """{name: value} of the section [Service], drop-ins included."""
    values, section = {}, None
    for path in [os.path.join(UNITS, unit)] + drop_ins(unit):
        with open(path, encoding="ascii") as file:
            for line in file.read().replace("\\\n", " ").splitlines():
                if line.startswith("["):
                    section = line
                elif section == "[Service]" and "=" in line and not line.startswith("#"):
                    name, _, value = line.partition("=")
                    assert name not in values, "%s sets %s, which was set before" % (path, name)
                    values[name] = value
    return values


@pytest.mark.parametrize("unit", [name for name in SERVICES if "-check" in name])
def test_a_check_has_no_right_that_it_does_not_need(unit):
    values = settings(unit)

    assert HARDENING == {name: values.get(name) for name in HARDENING}
    assert CAPABILITIES.get(unit, "") == values["CapabilityBoundingSet"]


def test_the_watch_may_end_haproxy():
    """It runs systemctl as root; the drop-in of the checks does not hold for it."""
    values = settings("quorate-haproxy-watch.service")

    assert {"ProtectHome": "yes", "PrivateTmp": "yes"} == {name: values[name] for name in HARDENING if name in values}
    assert "CapabilityBoundingSet" not in values


def test_hardening_is_written_once():
    assert not [(unit, line) for unit in SERVICES for line in open(os.path.join(UNITS, unit), encoding="ascii")
                if line.partition("=")[0] in HARDENING]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed: apt-get install systemd")
def test_systemd_understands_every_line(tmp_path):
    """Also the drop-ins: systemd says which line it ignores. Programs are replaced, as ours are not installed here."""
    shutil.copytree(UNITS, tmp_path / "units")
    for unit in SERVICES:
        path = tmp_path / "units" / unit
        lines = path.read_text().replace("\\\n", " ").splitlines()
        path.write_text("\n".join("ExecStart=/bin/true" if line.startswith("ExecStart=") else line for line in lines)
                        + "\n")
    (tmp_path / "units/haproxy.service").write_text("[Service]\nExecStart=/bin/true\n")

    names = [str(tmp_path / "units" / unit.replace("@.", "@9210.")) for unit in SERVICES]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no"] + names, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          text=True)

    ours = [line for line in done.stdout.splitlines() if "quorate-" in line]
    assert [] == ours, done.stdout
