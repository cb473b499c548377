# SPDX-License-Identifier: Apache-2.0
"""additional_parameters and wsrep_provider_options."""

import pytest

from quorate.galera.declaration import PARAMETERS
from quorate.galera.server.settings.address import Misunderstood
from quorate.galera.server.settings.options import (
    Options, Provider, additional, name_of, proof_problems, provider, provider_options)
from tests import fakes


def parameters(text, **values):
    return fakes.context(parameters=PARAMETERS, wsrep_cluster_address="gcomm://n1", additional_parameters=text,
                         **values).parameters


def test_values_in_quotes_are_kept():
    words = additional(parameters("""--init-connect='SET NAMES utf8; SET @a="b"' --wsrep_provider_options="a=1; b=2" --log_bin"""))

    assert Options((), ('--init-connect=SET NAMES utf8; SET @a="b"', "--wsrep_provider_options=a=1; b=2", "--log_bin")) == words


def test_options_that_count_only_at_the_beginning():
    assert Options(("--defaults-group-suffix=_2",), ("--port=1",)) == additional(
        parameters("--port=1 --defaults-group-suffix=_2"))


@pytest.mark.parametrize("text, named", [
    ("--port 3307", "'3307'"), ("-P3307", "'-P3307'"), ("port=1", "'port=1'"), ("--", "'--'"), ("--=x", "'--=x'"),
    ("--init-connect='SET x", "no closing quotation"), ("--init-connect=SET x", "'x'"),
    ("--wsrep-cluster-address=gcomm://", "parameter wsrep_cluster_address"), ("--wsrep_new_cluster", "wsrep-new-cluster"),
    ("--wsrep_new", "wsrep-new-cluster"), ("--loose-wsrep_recover=ON", "wsrep-recover"),
    ("--wsrep_start_position=x:1", "wsrep-start-position"), ("--help", "help"), ("--defaults-file=/x", "parameter config"),
    ("--user=galera", "parameter user"), ("--daemonize", "daemonize"), ("--tc-heuristic-recover=commit", "tc-heuristic"),
])
def test_what_cannot_be_an_option_of_every_run_is_named(text, named):
    with pytest.raises(Misunderstood) as error:
        additional(parameters(text))

    assert named in error.value.reason and error.value.reason.startswith("additional_parameters")


@pytest.mark.parametrize("option, parameter", [("--datadir=/b", "datadir"), ("--data=/b", "datadir"), ("--log_error=/b", "log"),
                                               ("--skip-log-error", "log"), ("--pid_file=/b", "pid"), ("--sock=/b", "socket")])
def test_a_path_has_one_source(option, parameter):
    """The agent looks where the parameter says."""
    assert (option,) == additional(parameters(option)).rest
    with pytest.raises(Misunderstood) as error:
        additional(parameters(option, **{parameter: "/a"}))

    assert "parameter " + parameter in error.value.reason


def test_an_extra_file_is_not_read_beside_the_configuration_file():
    with pytest.raises(Misunderstood):
        additional(parameters("--defaults-extra-file=/x", config="/etc/my.cnf"))


@pytest.mark.parametrize("word, name", [
    ("--wsrep_on=OFF", "wsrep-on"), ("--loose-skip_wsrep-on", "wsrep-on"), ("--log_bin", "log-bin")])
def test_the_name_of_an_option(word, name):
    assert name == name_of(word)


@pytest.mark.parametrize("options, query, node_address, expected", [
    (None, {}, None, Provider()),
    ("", {}, "", Provider()),
    ("base_port=5567; gcache.size=1G", {}, None, Provider(base_port=5567, listen_port=5567)),
    (None, {}, "10.0.0.1:5567", Provider(base_port=5567, listen_port=5567)),
    ("base_port=6567", {}, "10.0.0.1:5567", Provider(base_port=6567, listen_port=6567)),
    (None, {}, "10.0.0.1", Provider()),
    ("base_port=5567;base_port=5568", {}, None, Provider(base_port=5568, listen_port=5568)),
    (None, {"base_port": "5567"}, None, Provider()),  # Galera does not read it there
    ("gmcast.listen_addr=tcp://0.0.0.0:14567", {}, None, Provider(listen_port=14567)),
    ("gmcast.listen_addr=tcp://0.0.0.0:14567/", {}, None, Provider(listen_port=14567)),
    ("gmcast.listen_addr=ssl://[::]:14567", {}, None, Provider(listen_port=14567)),
    ("base_port=5567;gmcast.listen_addr=tcp://[::]", {}, None, Provider(base_port=5567, listen_port=5567)),
    ("pc.weight=3", {"pc.weight": "0"}, None, Provider(weight=0)),
    ("pc.ignore_sb=YES;pc.recovery=0", {}, None, Provider(ignore_sb=True, recovery=False)),
    ("pc.ignore_quorum=on", {}, None, Provider(ignore_quorum=True)),
    ("pc.ignore_quorum=on;pc.ignore_sb=off", {}, None, Provider(ignore_quorum=True)),
    ("pc.bootstrap=1", {}, None, Provider(bootstrap=True)),
])
def test_what_galera_is_told(options, query, node_address, expected):
    assert expected == provider(options, query, node_address)


@pytest.mark.parametrize("options, query, node_address, named", [
    ("base_port=x", {}, None, "base_port"), ("base_port=70000", {}, None, "70000"), ("pc.weight=-1", {}, None, "pc.weight"),
    ("pc.ignore_sb=maybe", {}, None, "maybe"), (None, {"pc.ignore_sb": "2"}, None, "pc.ignore_sb"),
    ("base_port", {}, None, "part 1"), ("a=1;b=2=3", {}, None, "part 2 (b)"), ("=1", {}, None, "part 1"),
    ("gmcast.listen_addr=tcp://n1:x", {}, None, "tcp://n1:x"), (None, {}, "n1:x", "n1:x")])
def test_what_is_not_understood_is_named(options, query, node_address, named):
    with pytest.raises(Misunderstood) as error:
        provider(options, query, node_address)

    assert named in error.value.reason


def test_a_part_of_a_password_is_not_shown():
    with pytest.raises(Misunderstood) as error:
        provider_options("socket.ssl_password=se=cr;et")

    assert "cr" not in error.value.reason.replace("wsrep", "") and "socket.ssl_password" in error.value.reason


@pytest.mark.parametrize("found, words", [
    (Provider(), ()), (Provider(recovery=False), ()), (Provider(weight=2), ("pc.weight is 2",)),
    (Provider(weight=0), ("pc.weight is 0",)), (Provider(ignore_sb=True), ("pc.ignore_sb",)),
    (Provider(ignore_quorum=True, ignore_sb=True), ("pc.ignore_quorum",)), (Provider(ignore_quorum=True), ("pc.ignore_quorum",)),
    (Provider(bootstrap=True), ("pc.bootstrap",))])
def test_settings_with_which_no_proof_holds(found, words):
    problems = proof_problems(found)

    assert len(words) == len(problems) and all(word in text for word, text in zip(words, problems))
    assert all(len(text) <= 144 for text in problems)  # what survives of an exit reason in Pacemaker
