# SPDX-License-Identifier: Apache-2.0
"""wsrep_cluster_address, cluster_host_map and arbitrators: understood, or an error that names the part."""

import pytest

from quorate.galera.server.settings.address import (
    Misunderstood, arbitrator_hosts, arbitrators, cluster_address, data_nodes, host_map, host_port, render, render_map,
    unused)


@pytest.mark.parametrize("text, hosts, options", [
    ("gcomm://n1,n2:4568,[::1]:4569,[fe80::2]", (("n1", None), ("n2", 4568), ("::1", 4569), ("fe80::2", None)), {}),
    ("gcomm://10.0.0.1, 10.0.0.2 ?pc.weight=2&gmcast.segment=1", (("10.0.0.1", None), ("10.0.0.2", None)),
     {"pc.weight": "2", "gmcast.segment": "1"}),
    (" GCOMM://n1 ,n2,/", (("n1", None), ("n2", None)), {}),
    ("gcomm://FD00:0:0::3", (("fd00::3", None),), {}),
    ("gcomm://fe80::1%eth0", (("fe80::1%eth0", None),), {}),
    ("gcomm://n1:1,n2:65535?&a=1&&b=2&", (("n1", 1), ("n2", 65535)), {"a": "1", "b": "2"}),
])
def test_a_cluster_address(text, hosts, options):
    assert (hosts, options) == cluster_address(text)


@pytest.mark.parametrize("text, sent", [
    ("gcomm://n1, n2", "gcomm://n1,n2"),           # Galera would contact n1 only
    ("gcomm://n1 ,\tn2:4567 , n3/", "gcomm://n1,n2:4567,n3"),
    ("gcomm://n1,,n2,", "gcomm://n1,n2"),           # "Unset host in URL"
    ("Gcomm://fe80::1,n2", "gcomm://[fe80::1],n2"),  # an IPv6 address needs brackets
    ("gcomm://n1 ?pc.wait_prim=no & evs.version=1", "gcomm://n1?pc.wait_prim=no&evs.version=1"),
])
def test_galera_is_told_what_was_understood(text, sent):
    assert sent == render(*cluster_address(text))


@pytest.mark.parametrize("text, word", [
    ("n1,n2", "gcomm://"), ("gcomm://", "names no node"), ("gcomm://?pc.wait_prim=no", "names no node"),
    ("gcomm://n1,N1:4568", "twice"), ("gcomm://[fd00::1],fd00:0::1", "twice"), ("gcomm://n1:99999", "n1:99999"),
    ("gcomm://n1:x", "n1:x"), ("gcomm://n1:0", "n1:0"), ("gcomm://n1:65536", "n1:65536"), ("gcomm://n1: 5", "n1: 5"),
    ("gcomm://fe80::1%", "fe80::1%"), ("gcomm://fe80::1%a b", "fe80::1%a b"), ("gcomm://n1?=1", "'=1'"),
    ("gcomm://[::1", "[::1"), ("gcomm://n1,:4567", ":4567"),
    ("gcomm://n1:", "n1:"), ("gcomm://n1 n2", "n1 n2"), ("gcomm://n1;n2", "n1;n2"), ("gcomm://root@n1", "root@n1"),
    ("gcomm://n1/x,n2", "n1/x"), ("gcomm://n1,n2#x", "n2#x"), ("gcomm://[n1]", "[n1]"),
    ("gcomm://n1,gcomm://n2", "gcomm://n2"),
    ("gcomm://n1?pc.weight", "pc.weight"), ("gcomm://n1?a=1=2", "a=1=2"), ("gcomm://n1?a=1&a=2", "option a twice"),
    ("gcomm://n1?a=", "a="), ("gcomm://n1?a=b c", "a=b c")])
def test_what_is_wrong_with_a_cluster_address_is_named(text, word):
    with pytest.raises(Misunderstood) as error:
        cluster_address(text)

    assert word in error.value.reason and str(error.value) == error.value.reason


def test_a_host_map():
    """Of an IPv6 address the node is what stands before the first colon."""
    hosts = host_map("pcmk1:galera1;pcmk2: galera2 ; pcmk3:[fd00::3];;c4:2001:DB8::1;")

    assert {"galera1": "pcmk1", "galera2": "pcmk2", "fd00::3": "pcmk3", "2001:db8::1": "c4"} == hosts
    assert {} == host_map(None) == host_map("")
    assert "pcmk1:galera1;pcmk2:galera2;pcmk3:[fd00::3];c4:[2001:db8::1]" == render_map(hosts)
    assert hosts == host_map(render_map(hosts)) and "" == render_map({})


@pytest.mark.parametrize("text, named", [
    ("c1:10.0.0.16,c2:10.0.0.17", "c1:10.0.0.16,c2:10.0.0.17"), ("c1=10.0.0.16", "c1=10.0.0.16"),
    ("c1:10.0.0.16:4567", "c1:10.0.0.16:4567"), ("n1:db1;n2", "'n2'"), ("n1:db1;:db2", "':db2'"), ("n1:", "'n1:'"),
    ("c1:[10.0.0.16]", "c1:[10.0.0.16]"), ("c1:[2001:db8::1]:4567", "c1:[2001:db8::1]:4567"),
    ("c1:db1 c2:db2", "c1:db1 c2:db2"), ("c1:db1;c1:db2", "node c1 twice"), ("c1:db1;c2:DB1", "host DB1 twice"),
    ("c1:2001:db8::x", "c1:2001:db8::x")])
def test_an_entry_of_the_host_map_that_is_not_understood_is_named(text, named):
    """These were ignored: the node was waited for under the name of another."""
    with pytest.raises(Misunderstood) as error:
        host_map(text)

    assert named in error.value.reason and error.value.reason.startswith("cluster_host_map")


@pytest.mark.parametrize("text", ["g1;g2", "g1:4567", "g1 g2", "[g1]"])
def test_arbitrators_that_are_not_understood(text):
    with pytest.raises(Misunderstood) as error:
        arbitrators("n9," + text)

    assert text in error.value.reason


@pytest.mark.parametrize("text, hosts", [
    (None, ()), ("", ()), ("g1", ("g1",)), (" g1, ,g2,", ("g1", "g2")),
    ("[FD00:0::9],fd00::a , 10.0.0.9", ("fd00::9", "fd00::a", "10.0.0.9"))])
def test_arbitrators(text, hosts):
    assert hosts == arbitrators(text)


def test_the_ports_of_arbitrators_are_those_of_the_address():
    found = arbitrator_hosts("gcomm://n1:4568,Garb:4569,[FD00::9]:4570,g3", "garb,fd00:0::9,g3,g4")

    assert {"garb": ("garb", 4569), "fd00::9": ("fd00::9", 4570), "g3": ("g3", None), "g4": ("g4", None)} == found


def test_data_nodes_in_the_order_of_the_address():
    found = data_nodes("gcomm://DB2:4568,n1,garb,[FD00::3]", "n2:db2; n3:fd00:0::3", " Garb , ")

    assert [("n2", ("DB2", 4568)), ("n1", ("n1", None)), ("n3", ("fd00::3", None))] == list(found.items())


@pytest.mark.parametrize("cluster, mapped, without_data, word", [
    ("gcomm://n1,db1", "n1:db1", "", "the node n1 twice"), ("gcomm://n1", "", "n1", "no data node")])
def test_two_hosts_are_never_one_node(cluster, mapped, without_data, word):
    with pytest.raises(Misunderstood) as error:
        data_nodes(cluster, mapped, without_data)

    assert word in error.value.reason


def test_what_no_entry_of_the_address_uses():
    assert (["n2:db22"], ["g"]) == unused("gcomm://db1,db2", "n1:db1;n2:db22", "g,DB2")


@pytest.mark.parametrize("entry, expected", [
    ("10.0.0.1:5567", ("10.0.0.1", 5567)), ("10.0.0.1", ("10.0.0.1", None)), ("[::1]:5567", ("::1", 5567)),
    ("::1", ("::1", None)), ("a:b", (None, None)), ("", (None, None)), ("n1:+5", (None, None)),
    ("n1:-5", (None, None))])
def test_a_host_with_a_port(entry, expected):
    assert expected == host_port(entry)
