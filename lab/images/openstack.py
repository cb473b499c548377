# SPDX-License-Identifier: Apache-2.0
"""Layers over the bookworm image that hold OpenStack: Debian's own services, and the last release of nova-consoleauth.

`services` is Debian's keystone, cinder, heat and console proxy with apt, from the machine's own sources. `consoleauth`
is nova 19.3.2 (Stein, 2019: the last release with nova-consoleauth) from the machine's Python package index, in a
virtual environment below /opt/nova19, run by the oldest interpreter that is available for the image: bullseye's Python
3.9, beside bookworm's own. `apis` is what has an API and no agent: glance, placement, nova, neutron, heat's
CloudFormation, the dashboard behind Apache; `control` is nova's scheduler and conductor over it. All are cached like
the image: named by their recipe (the constants below; moving this file changes nothing) and by the layers below them.
No service in them is enabled.
"""

import configparser
import hashlib
import os
import shlex
import shutil

from lab import LabError
from lab.images import base, extra, sources

SUITE = "bookworm"
# Kind -> the kinds below it, from the bottom.
BELOW = {"services": (), "consoleauth": ("services",), "apis": ("services",), "control": ("services", "apis")}
PACKAGES = ("keystone", "cinder-volume", "cinder-api", "cinder-scheduler", "heat-engine", "heat-api",
            "nova-consoleproxy", "python3-memcache")
API_PACKAGES = ("glance-api", "placement-api", "openstack-dashboard-apache", "nova-api", "neutron-server",
                "heat-api-cfn")
CONTROL_PACKAGES = ("nova-scheduler", "nova-conductor")
OLD_SUITE = "bullseye"
OLD_PACKAGES = ("python3.9", "libpython3.9-stdlib")
OLD_MODULES = ("python3-distutils",
               "python3-lib2to3")  # both interpreters' packages share one directory: unpacked, not installed
NOVA = "nova==19.3.2"
# Versions that nova 19.3.2 does not limit although it does not work with later ones.
CONSTRAINTS = """\
SQLAlchemy<1.4 oslo.db<6 oslo.messaging<10 oslo.config<7 oslo.service<2 oslo.versionedobjects<2 oslo.utils<4
oslo.serialization<3 oslo.i18n<4 oslo.log<4 oslo.context<3 oslo.middleware<4 oslo.policy<3 oslo.privsep<2
oslo.rootwrap<6 oslo.cache<2 oslo.concurrency<4 oslo.reports<2 oslo.upgradecheck<1 stevedore<2 keystoneauth1<4
keystonemiddleware<7 os-vif<2 os-brick<3 castellan<2 tooz<2 python-cinderclient<5 python-glanceclient<3
python-neutronclient<7 jsonschema<3 dnspython<2 eventlet<0.26 WebOb<1.9 PrettyTable<0.8 greenlet<1 cryptography<3
paramiko<2.8 PyYAML<5.4 lxml<4.7 Routes<2.5 Jinja2<3 MarkupSafe<2 netaddr<0.8 kombu<4.7 amqp<2.6 decorator<5
iso8601<0.2 psutil<6 websockify<0.10 importlib-metadata<5
"""
PIN = "etc/apt/preferences.d/lab-old"
WHEEL = "python3-pip-whl"
TOOLS = "'pip<23' 'setuptools<58' wheel"  # bookworm's own are patched for bookworm's interpreter
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "cert", "timeout", "retries")

# pip of bookworm runs from its wheel, with bullseye's interpreter: that has no pip of its own.
# The text is part of the recipe: a change of a comment in it, or of a line break, builds the layer anew.
_INSTALL_OLD = (r"""
apt-get update -q
apt-get install -y -q --no-install-recommends %(packages)s
cd /tmp
apt-get download %(modules)s %(wheel)s
for file in *.deb; do
    dpkg-deb --fsys-tarfile $file | tar -x --wildcards './usr/lib/python3.9/*' './usr/share/python-wheels/*' || true
done
cp -a usr/lib/python3.9/. /usr/lib/python3.9/
rm /%(pin)s
apt-get clean
. /mnt/proxies
python3.9 -m venv --without-pip /opt/nova19
export PIP_CONFIG_FILE=/mnt/pip.conf PIP_DISABLE_PIP_VERSION_CHECK=1 """
                "PYTHONPATH=$(echo /tmp/usr/share/python-wheels/pip-*.whl)"
                r"""
cd /mnt
/opt/nova19/bin/python -m pip install --no-cache-dir -q %(tools)s
unset PYTHONPATH
/opt/nova19/bin/python -m pip install --no-cache-dir -c constraints %(nova)s PyMySQL python-memcached monotonic
"""
                "# Nova compares the clock of the hub with that of the module `monotonic`. From Python 3.8 on the module "
                "`time` that eventlet\n"
                "# loads a second time has functions of its own, so that two of the same kind are not one, and nova would "
                "not start.\n"
                r"""sed -i 's/hub.clock is not monotonic.monotonic/hub.clock.__name__ != "monotonic"/' """
                r"""/opt/nova19/lib/python3.9/site-packages/nova/service.py
/opt/nova19/bin/python -m compileall -q /opt/nova19/lib >/dev/null || true
""")


def recipe(kind):
    """What the layer `kind` is made from, as a text that changes when the layer would differ."""
    if kind == "services":
        return repr((1, PACKAGES))
    if kind == "apis":
        return repr((1, API_PACKAGES))
    if kind == "control":
        return repr((1, CONTROL_PACKAGES))
    return repr((1, OLD_SUITE, OLD_PACKAGES, OLD_MODULES, NOVA, CONSTRAINTS, _INSTALL_OLD))


def path(kind, suite=SUITE):
    """Where the layer `kind` is, or would be: over the image and the kinds below it."""
    text = "".join(recipe(one) for one in BELOW[kind] + (kind,))
    return "%s-%s-%s" % (base.path(suite), kind, hashlib.sha256(text.encode()).hexdigest()[:8])


def ensure(kind, say, suite=SUITE):
    """The layers up to `kind`, topmost first, without the image; each is built unless it is cached.

    `services` takes two and a half minutes and 1.0 GB, `consoleauth` one and a half minutes and 0.4 GB more.
    """
    if suite != SUITE:
        raise LabError("OpenStack is built over %s, not over %s" % (SUITE, suite))
    below = [base.build(suite, say)]
    builds = {"consoleauth": _consoleauth}
    for one, names in (("services", PACKAGES), ("apis", API_PACKAGES), ("control", CONTROL_PACKAGES)):
        builds[one] = extra.packages(one, names, SUITE)
    for one in BELOW[kind] + (kind,):
        below.insert(0, extra.ensure(one, path(one), below, builds[one], say))
    return below[:-1]


def _consoleauth(upper, shared, inside, say):
    """Install bullseye's interpreter beside bookworm's, and nova 19 in an environment of its own."""
    found = base.host_sources()
    old = [one for one in sources.for_suite(found, OLD_SUITE) if one.suite == OLD_SUITE]
    say("layer consoleauth: %s's Python, then %s with pip" % (OLD_SUITE, NOVA))
    extra.apt(upper, sources.for_suite(found, SUITE) + old)
    base.write(upper, PIN, "Package: *\nPin: release n=%s\nPin-Priority: 1\n" % OLD_SUITE)
    with open(os.path.join(shared, "constraints"), "w", encoding="ascii") as file:
        file.write("\n".join(CONSTRAINTS.split()) + "\n")
    _pip_settings(shared)
    inside(_INSTALL_OLD % {"packages": " ".join(OLD_PACKAGES), "nova": NOVA, "wheel": WHEEL, "pin": PIN, "tools": TOOLS,
                           "modules": " ".join("%s/%s" % (name, OLD_SUITE) for name in OLD_MODULES)})


def _pip_settings(shared):
    """Write to `shared` from where this machine's pip fetches: its files, PIP_*, proxies, certificates."""
    merged = configparser.RawConfigParser()
    merged.read(["/etc/xdg/pip/pip.conf", "/etc/pip.conf", os.path.expanduser("~/.pip/pip.conf"),
                 os.path.expanduser("~/.config/pip/pip.conf"), os.environ.get("PIP_CONFIG_FILE", os.devnull)])
    given = dict(merged.items("global")) if merged.has_section("global") else {}
    given.update((name[4:].lower().replace("_", "-"), value) for name, value in os.environ.items()
                 if name.startswith("PIP_"))
    given = {name: value for name, value in given.items() if name in PIP_SETTINGS and "file://" not in value}
    certificates = given.pop("cert", "/etc/ssl/certs/ca-certificates.crt")
    if os.path.exists(certificates):
        shutil.copyfile(certificates, os.path.join(shared, "certificates"))
        given["cert"] = "/mnt/certificates"
    with open(os.path.join(shared, "pip.conf"), "w", encoding="utf-8") as file:
        file.write("[global]\n" + "".join("%s = %s\n" % pair for pair in given.items()))
    with open(os.path.join(shared, "proxies"), "w", encoding="utf-8") as file:
        file.write("".join("export %s=%s\n" % (name, shlex.quote(value)) for name, value in os.environ.items()
                           if name.lower() in ("http_proxy", "https_proxy", "no_proxy")))
