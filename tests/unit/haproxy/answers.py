# SPDX-License-Identifier: Apache-2.0
"""HAProxy's answers on its stats socket, as captured from real ones (captured/)."""

import os

from tests import ROOT


def captured(version):
    with open(os.path.join(ROOT, "tests", "unit", "haproxy", "captured", "haproxy-%s.txt" % version),
              encoding="ascii") as file:
        return file.read()
