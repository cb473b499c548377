# SPDX-License-Identifier: Apache-2.0
"""What tests of every kind may ask for."""

import pytest


@pytest.fixture(scope="session")
def progress(request):
    """A `say` whose lines are seen at once: what takes minutes must not look as if it hung."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    reporter = request.config.pluginmanager.getplugin("terminalreporter")

    def say(text):
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(text)

    return say
