# SPDX-License-Identifier: Apache-2.0
"""The meta-data of every agent: valid for OCF 1.1 and for pcs, the same everywhere, and as we last looked at it.

After an intended change of a declaration, type
    QUORATE_REFRESH=1 /usr/bin/python3 -m pytest -q tests/contract/test_metadata.py
and read the difference before you commit it.
"""

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from quorate import __version__
from tests.contract.declarations import problems
from tests.readable import by_others

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
OFFICIAL = GOLDEN / "schema" / "ra-api-1.1.rng"
PCS = Path("/usr/share/pcs/data/ocf-1.1.rng")


def valid(schema, text, tmp_path):
    if not shutil.which("xmllint"):
        pytest.skip("xmllint is not installed: apt-get install libxml2-utils")
    document = tmp_path / "metadata.xml"
    document.write_text(text)
    done = subprocess.run(["xmllint", "--noout", "--relaxng", str(schema), str(document)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_valid_for_the_official_schema(machine, tmp_path):
    valid(OFFICIAL, machine.run("meta-data").out, tmp_path)


@pytest.mark.skipif(not PCS.exists(), reason="the schema of pcs is not installed: apt-get install pcs")
def test_valid_for_the_schema_of_pcs(machine, tmp_path):
    valid(PCS, machine.run("meta-data").out, tmp_path)


def test_the_schema_would_find_a_mistake(machine, tmp_path):
    wrong = machine.run("meta-data").out.replace('timeout="', 'time="', 1)
    with pytest.raises(AssertionError):
        valid(OFFICIAL, wrong, tmp_path)


def test_as_it_was_last_reviewed(machine):
    golden = GOLDEN / "metadata" / (machine.name + ".xml")
    text = machine.run("meta-data").out.replace('version="%s"' % __version__, 'version="@VERSION@"', 1)
    if os.environ.get("QUORATE_REFRESH"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert golden.exists() and golden.read_text() == text, "see the first lines of this file for how to refresh it"


def test_nothing_but_xml_and_no_doctype(machine):
    ran = machine.run("meta-data")
    assert (ran.code, ran.err) == (0, "")
    assert "DOCTYPE" not in ran.out and ElementTree.fromstring(ran.out).findtext("version") == "1.1"
    assert ElementTree.fromstring(ran.out).get("name") == machine.name


def test_the_same_whatever_the_environment(machine):
    plain = machine.run("meta-data", {}).out
    awkward = machine.cluster(LANG="de_DE.UTF-8", TZ="Asia/Tokyo", OCF_CHECK_LEVEL="20", OCF_RESKEY_user="somebody",
                              OCF_RESKEY_CRM_meta_timeout="nonsense", PYTHONHASHSEED="7", OCF_OUTPUT_FORMAT="text")
    assert machine.run("meta-data", awkward).out == plain


def test_it_asks_neither_the_cluster_nor_anything_else(machine):
    """The controller may run it synchronously: a question to the cluster would wait for itself."""
    strace = ["strace", "-f", "-e", "trace=execve,connect", "-o", "/dev/stderr"]
    if not shutil.which("strace"):
        pytest.skip("strace is not installed: apt-get install strace")
    ran = machine.run("meta-data", prefix=strace)
    assert ran.code == 0 and ran.out.startswith("<?xml")
    assert ran.err.count("execve(") == 1  # the agent itself
    # Python's start-up looks for the home directory, and the C library then for a cache of names
    assert [line for line in ran.err.splitlines() if "connect(" in line and "/nscd/" not in line] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_it_works_as_nobody(machine):
    nobody = copy.copy(machine)
    nobody.path = Path(by_others(machine.path))
    ran = nobody.run("meta-data", {}, prefix=["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"])
    assert ran.code == 0 and ran.err == "" and ran.out == machine.run("meta-data", {}).out


def test_the_declaration_has_no_mistakes(machine):
    assert problems(machine.declaration) == []


def test_every_advertised_action_is_known_to_the_agent(machine):
    names = {action.get("name") for action in ElementTree.fromstring(machine.run("meta-data").out).iter("action")}
    assert {"start", "stop", "monitor", "meta-data", "validate-all"} <= names
    shown = machine.run("usage")
    assert shown.code == 0 and shown.err == "" and all(name in shown.out for name in names)


def test_it_needs_no_path_and_no_home(machine):
    assert machine.run("meta-data", {"PATH": "/bin:/usr/bin"}).code == 0


def test_it_runs_on_the_interpreter_of_the_distribution(machine):
    first = machine.path.read_text().splitlines()[0]
    assert first.startswith("#!/usr/bin/python3 -I"), "never env: root's PATH may lead to a virtual environment"
    assert sys.version_info >= (3, 9)
