# SPDX-License-Identifier: Apache-2.0
"""What tests of every kind may ask for."""

import pytest

try:
    import hypothesis
except ImportError:  # the tests that need it say so
    pass
else:  # its deadline of 200 ms for an example is an assertion about the machine's other load
    hypothesis.settings.register_profile("quorate", deadline=None, print_blob=True)
    hypothesis.settings.load_profile("quorate")


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
