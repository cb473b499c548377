# SPDX-License-Identifier: Apache-2.0
"""Tests; what several of them use is in this folder."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # of the checkout
