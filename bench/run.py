# SPDX-License-Identifier: Apache-2.0
"""What every benchmark on a lab does: print its progress, build the package that is measured."""

import os
import subprocess
import time

from lab import ROOT, LabError


def say(text):
    """Print a line of progress with the time of day."""
    print("%s %s" % (time.strftime("%H:%M:%S"), text), flush=True)


def package():
    """Build our package; its path. LabError if that fails."""
    done = subprocess.run(["make", "--silent", "deb"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    if done.returncode != 0:
        raise LabError("make deb failed: %s" % (done.stderr.strip().splitlines() or ["no output"])[-1])
    return os.path.join(ROOT, done.stdout.split()[-1])
