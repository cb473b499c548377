# SPDX-License-Identifier: Apache-2.0
"""What holds for the repository as a whole."""

import ast
import configparser
import os
import re
import subprocess

import pytest

import quorate
from tests import ROOT

SKIPPED = {".git", "build", "dist", "__pycache__", ".hypothesis", ".pytest_cache"}


def _walk(*tops):
    for top in tops:
        for folder, folders, files in os.walk(os.path.join(ROOT, top)):
            folders[:] = sorted(set(folders) - SKIPPED)
            for name in sorted(files):
                yield os.path.relpath(os.path.join(folder, name), ROOT)


def _read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


STUBS = list(_walk("agents", "checks", "bin"))
SOURCES = [path for path in _walk("quorate", "lab", "bench", "tests") if path.endswith(".py")] + STUBS


@pytest.mark.parametrize("path", STUBS)
def test_stub_is_executable_isolated_and_short(path):
    """Python never caches the byte code of the file it is told to run, so that file is a few lines. What runs every few
    seconds leaves out other packages' .pth files and sitecustomize (-S)."""
    text = _read(path)

    assert os.access(os.path.join(ROOT, path), os.X_OK)
    assert "#!/usr/bin/python3 -I" + ("" if path.startswith("bin/") else "S") == text.splitlines()[0]
    assert len(text.splitlines()) <= 25


@pytest.mark.parametrize("path", STUBS)
def test_stub_runs_in_place_from_anywhere(path):
    """A checkout is run without installing it; the answer to --help or meta-data needs no cluster."""
    word = "meta-data" if path.startswith("agents/") else "--help"
    done = subprocess.run([os.path.join(ROOT, path), word], cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={"PATH": "/usr/bin:/bin"}, universal_newlines=True)

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout


def test_licence_stands_in_every_source():
    missing = [path for path in SOURCES
               if _read(path).strip() and "SPDX-License-Identifier: Apache-2.0" not in _read(path)[:200]]

    assert [] == missing


def test_every_source_says_what_it_is():
    missing = [path for path in SOURCES if _read(path).strip() and not ast.get_docstring(ast.parse(_read(path)))]

    assert [] == missing


def test_no_module_has_a_name_that_says_nothing():
    vague = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "manager.py", "misc.py"}

    assert [] == [path for path in SOURCES if os.path.basename(path) in vague]


def test_library_can_be_parsed_by_the_oldest_python():
    """3.9: no match statement, no parenthesised context managers, no `X | Y` at run time (a reader finds those)."""
    for path in SOURCES:
        ast.parse(_read(path), path, feature_version=(3, 9))


def test_pip_installs_every_command():
    config = configparser.ConfigParser()
    config.read(os.path.join(ROOT, "setup.cfg"))
    commands = sorted(path for path in STUBS if not path.startswith("agents/"))

    assert commands == sorted(config["options"]["scripts"].split())


def test_version_is_written_once():
    """Everything else reads it from quorate/__init__.py."""
    elsewhere = [path for path in list(_walk("debian", "scripts")) + _top() if quorate.__version__ in _read(path)]

    assert [] == [path for path in elsewhere if path != "CHANGELOG.md"]


def test_debian_changelog_is_of_this_version():
    text = subprocess.run([os.path.join(ROOT, "scripts/debian-changelog")], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout

    assert text.startswith("quorate (%s) " % quorate.__version__)


def test_nothing_from_xinetd_is_on_after_an_installation():
    """An operator chooses who serves the check."""
    for path in _walk("xinetd"):
        assert "yes" in [line.split("=")[1].strip() for line in _read(path).splitlines()
                         if line.split("=")[0].strip() == "disable"], path


def test_links_in_the_documentation_lead_somewhere():
    broken = []
    for path in [path for path in list(_walk("docs")) + _top() if path.endswith(".md")]:
        for part in _read(path).split("](")[1:]:
            target = part.partition(")")[0].partition("#")[0]
            if target and "://" not in target:
                if not os.path.exists(os.path.join(ROOT, os.path.dirname(path), target)):
                    broken.append("%s: %s" % (path, target))

    assert [] == broken


def test_lines_are_not_long():
    """120 columns; a text that another program reads, such as a command or a journal, may go on to 140."""
    long = []
    for path in SOURCES:
        text = _read(path)
        strings = {line for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)
                   and isinstance(node.value, str) for line in range(node.lineno, node.end_lineno + 1)}
        long += ["%s:%d" % (path, number) for number, line in enumerate(text.splitlines(), 1)
                 if len(line) > (140 if number in strings else 120)]

    assert [] == long


# Programs that tests and scripts/lint look for, and the Debian package of each.
PACKAGES = {
    "curl": "curl", "epmd": "rabbitmq-server", "groff": "groff-base", "haproxy": "haproxy", "keepalived": "keepalived",
    "lintian": "lintian", "make": "make",
    "my_print_defaults": "mariadb-server", "openssl": "openssl", "pyflakes3": "pyflakes3", "shellcheck": "shellcheck",
    "strace": "strace", "systemd-analyze": "systemd", "xinetd": "xinetd", "xmllint": "libxml2-utils",
}


def test_what_a_machine_has_does_not_change_what_the_tests_find():
    """A test or a check that is left out without a program is left out nowhere where scripts/test has set the machine
    up."""
    text = "\n".join(_read(path) for path in _walk("tests") if path.endswith(".py"))
    wanted = set(re.findall(r'\bwhich\("([^"]+)"', text)) | set(re.findall(r"\bif has (\S+)", _read("scripts/lint")))
    lists = "\n".join(_read("scripts/packages." + name) for name in ("build", "test")).splitlines()

    assert set() == wanted - set(PACKAGES)
    assert set() == {PACKAGES[program] for program in wanted} - set(lists)


def _top():
    return sorted(name for name in os.listdir(ROOT) if os.path.isfile(os.path.join(ROOT, name)))
