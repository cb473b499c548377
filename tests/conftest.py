# SPDX-License-Identifier: Apache-2.0
"""What tests of every kind may ask for, and what is no reason to skip one."""

import os
import re

import pytest

try:
    import hypothesis
except ImportError:  # the tests that need it say so
    pass
else:  # its deadline of 200 ms for an example is an assertion about the machine's other load
    hypothesis.settings.register_profile("quorate", deadline=None, print_blob=True)
    hypothesis.settings.load_profile("quorate")


# The reasons of tests that need a program or a library.
MISSING = re.compile(r"not installed|scripts/(?:setup )?test installs|could not import")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """scripts/test has installed what the tests need. Where it runs them, a test that is skipped for want of that fails: else
    a package that is forgotten in scripts/packages.test would go unnoticed for ever."""
    report = (yield).get_result()
    if report.skipped and os.environ.get("QUORATE_INSTALLED") and os.geteuid() == 0 and isinstance(
            report.longrepr, tuple):
        reason = report.longrepr[2]
        if MISSING.search(reason):
            report.outcome, report.longrepr = "failed", "scripts/packages.test installs it, but: %s" % reason


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
