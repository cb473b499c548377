# SPDX-License-Identifier: Apache-2.0
"""history.py is found by its plain name."""

import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
