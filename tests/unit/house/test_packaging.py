# SPDX-License-Identifier: Apache-2.0
"""The checkout, `make install` and pip install the same modules. tests/lab/house/test_package.py looks at the Debian
package."""

import configparser
import os
import shutil
import subprocess

import pytest

from tests import ROOT

CACHES = shutil.ignore_patterns("__pycache__")


def modules(top):
    """Paths of all modules below a directory, relative to it."""
    return sorted(os.path.relpath(os.path.join(folder, name), top) for folder, _, names in os.walk(top)
                  for name in names if name.endswith(".py"))


TREE = modules(os.path.join(ROOT, "quorate"))


def test_every_folder_is_a_package():
    """setuptools skips a folder without `__init__.py`, while make and a checkout do not."""
    folders = {os.path.dirname(path) for path in TREE}

    assert set() == {folder for folder in folders if os.path.join(folder, "__init__.py") not in TREE}


def test_pip_installs_what_the_checkout_has():
    setuptools = pytest.importorskip("setuptools",
                                     reason="setuptools is not installed: apt-get install python3-setuptools")
    config = configparser.ConfigParser()
    config.read(os.path.join(ROOT, "setup.cfg"))
    assert "find:" == config["options"]["packages"]

    packages = setuptools.find_packages(ROOT, include=config["options.packages.find"]["include"].split())

    assert {"quorate"} == {name.partition(".")[0] for name in packages}
    assert TREE == sorted(os.path.relpath(os.path.join(name.replace(".", "/"), file), "quorate") for name in packages
                          for file in os.listdir(os.path.join(ROOT, name.replace(".", "/"))) if file.endswith(".py"))


@pytest.fixture
def install(tmp_path):
    """A function that installs a copy of the checkout below tmp_path; the directory of the library."""
    if not shutil.which("make"):
        pytest.skip("make is not installed: apt-get install make")
    copy, root = tmp_path / "copy", tmp_path / "root"
    copy.mkdir()
    shutil.copy(os.path.join(ROOT, "Makefile"), copy)
    for name in ("agents", "bin", "checks", "quorate", "systemd", "xinetd"):
        shutil.copytree(os.path.join(ROOT, name), copy / name, ignore=CACHES)

    def run():
        done = subprocess.run(["make", "-s", "install", "DESTDIR=%s" % root, "PYTHONDIR=/lib/python"], cwd=copy,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert 0 == done.returncode, done.stdout
        return root / "lib/python/quorate"
    return run


def test_make_installs_what_the_checkout_has_and_leaves_no_old_module(install, tmp_path):
    """A module that has moved would stay behind, and a stale server.py beside server/ misleads whoever reads it."""
    library = tmp_path / "root/lib/python/quorate"
    (library / "galera").mkdir(parents=True)
    (library / "galera/old.py").write_text("# of the last version\n")

    assert library == install()
    assert TREE == modules(library)
    assert ["quorate"] == os.listdir(library.parent)


def test_make_installs_the_units_with_their_drop_ins(install, tmp_path):
    install()

    top = os.path.join(ROOT, "systemd")
    expected = sorted(os.path.relpath(os.path.join(folder, name), top) for folder, _, names in os.walk(top)
                      for name in names)
    units = tmp_path / "root/usr/lib/systemd/system"
    assert expected == sorted(str(path.relative_to(units)) for path in units.rglob("*") if path.is_file())
    assert {0o644} == {path.stat().st_mode & 0o777 for path in units.rglob("*") if path.is_file()}


def test_make_never_removes_the_checkout(install, tmp_path):
    """PYTHONDIR may lead to it, by a link or by mistake."""
    install()
    copy = tmp_path / "copy"
    done = subprocess.run(["make", "-s", "install", "DESTDIR=", "PYTHONDIR=%s" % copy, "PREFIX=%s" % (tmp_path / "usr"),
                           "AGENTDIR=%s" % (tmp_path / "agents"), "SYSCONFDIR=%s" % (tmp_path / "etc")], cwd=copy,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    assert 0 != done.returncode and "choose another PYTHONDIR" in done.stdout
    assert TREE == modules(copy / "quorate")
