# SPDX-License-Identifier: Apache-2.0
"""What the lab writes for its OpenStack services."""

import base64
import configparser
import hashlib
import json
from types import SimpleNamespace

import pytest

from lab import LabError, Unreachable
from lab.images import extra, openstack
from lab.services.openstack import broker, configuration, control_plane, deployment

NODES = ["n1", "n2", "n3"]


def read(path, **more):
    """The configuration file `path` as a parser."""
    parser = configparser.RawConfigParser(strict=True)
    parser.read_string(configuration.files(NODES, "n3", "s3cret", "k" * 32, **more)[path][0])
    return parser


def test_every_broker_is_named():
    for path, vhost in (("/etc/cinder/cinder.conf", "cinder"), ("/etc/heat/heat.conf", "heat"),
                        ("/etc/nova/nova.conf", "nova")):
        url = read(path)["DEFAULT"]["transport_url"]

        assert ["openstack:s3cret@%s:5672" % name for name in NODES] == url[len("rabbit://"):].split("/")[0].split(",")
        assert vhost == url.rsplit("/", 1)[1]


def test_each_backend_has_its_section_and_host_is_the_same_everywhere():
    """Active/passive: host is set, cluster is not."""
    cinder = read("/etc/cinder/cinder.conf")

    assert set(configuration.BACKENDS) == set(cinder["DEFAULT"]["enabled_backends"].split(",")) <= set(cinder.sections())
    assert configuration.HOST == cinder["DEFAULT"]["host"]
    assert "cluster" not in cinder["DEFAULT"]


def test_the_old_nova_only_where_it_is_asked_for():
    assert "/etc/nova19/nova.conf" not in configuration.files(NODES, "n3", "s", "k")
    assert "true" == read("/etc/nova19/nova.conf", nova19=True)["workarounds"]["enable_consoleauth"]


def test_the_rest_of_the_control_plane_has_each_option_once():
    for path, (text, group) in control_plane.files(NODES, "n3", "s3cret", "k").items():
        parser = configparser.RawConfigParser(strict=True)
        parser.read_string(text)

        assert group != "root" or "s3cret" not in text, path


def test_nobody_else_reads_a_file_with_a_password():
    """`put` gives 0640 and this group; the files that all may read hold none."""
    for path, (text, group) in configuration.files(NODES, "n3", "s3cret", "k" * 32, True).items():
        assert (group == "root") == ("s3cret" not in text), path


def test_the_broker_knows_the_password_by_its_hash():
    """As RabbitMQ documents it: base64 of a salt of 4 bytes and the SHA-256 of salt and password."""
    user = json.loads(broker.definitions("s3cret"))["users"][0]
    raw = base64.b64decode(user["password_hash"])

    assert hashlib.sha256(raw[:4] + b"s3cret").digest() == raw[4:]
    assert "s3cret" not in broker.definitions("s3cret")


def test_a_layer_is_named_by_all_that_it_lies_on(monkeypatch):
    names = [openstack.path(kind) for kind in openstack.BELOW]
    monkeypatch.setattr(openstack, "PACKAGES", ("one", "two"))
    other = [openstack.path(kind) for kind in openstack.BELOW]

    assert len(set(names + other)) == 2 * len(names)


def test_only_the_suite_that_was_tried():
    with pytest.raises(LabError, match="bookworm"):
        openstack.ensure("services", print, "trixie")


def test_services_start_after_database_and_broker_where_all_start_at_once():
    """Found on the lab: cinder-volume waits for its database in its start, and Pacemaker's transition waits for that."""
    lab = SimpleNamespace(node_names=NODES, record={"lower": []})
    lines = [" ".join(argv) for argv in deployment.create_commands(lab)]

    for name in deployment.RESOURCES:
        ordered = name != "nova-novncproxy"  # it starts without both, and would wait for the last database to be promoted
        assert ordered == ("pcs constraint order promote db-clone then start %s kind=Optional" % name in lines)
        assert ordered == ("pcs constraint order mq-clone then %s kind=Optional" % name in lines)
        assert "pcs constraint location %s avoids n3" % name in lines


def test_what_cannot_be_fetched_is_not_what_cannot_be_installed(tmp_path, monkeypatch):
    """Without the packages tests are skipped; with packages that cannot be installed they fail."""
    def built(*failing):
        def inside(script):
            if any(word in script for word in failing):
                raise LabError("layer one failed: no such package")

        extra.packages("one", ("cinder-volume",), "bookworm")(str(tmp_path), str(tmp_path), inside, lambda text: None)

    monkeypatch.setattr(extra, "apt", lambda upper, chosen: None)
    built()
    with pytest.raises(Unreachable,
                       match="apt sources do not have what the lab needs: layer one failed: no such package"):
        built("--download-only")
    with pytest.raises(LabError) as found:
        built("compileall")
    assert not isinstance(found.value, Unreachable)


def test_an_api_with_greenlets_has_one_thread_a_process():
    """Found on the lab: "cannot switch to a different thread", and after that an API that does not answer."""
    found = {path: text for path, (text, _group) in configuration.files(NODES, "n3", "s", "k").items()
             if path.endswith("-uwsgi.ini")}

    assert {"keystone": "4", "cinder": "1", "heat": "1"} == {
        path.split("/")[2]: text.partition("\nthreads = ")[2].split()[0] for path, text in found.items()}
