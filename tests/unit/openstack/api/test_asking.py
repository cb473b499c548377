# SPDX-License-Identifier: Apache-2.0
"""api-check: how it asks (method, time, certificates, headers, whose Keystone), and how replies and openrc files are
read."""

import json

import pytest

from quorate.errors import Usage
from quorate.openstack.api import observe, parse, transport
from quorate.openstack.api.check import ApiCheck, parse_target
from quorate.openstack.api.credentials import read_secret
from quorate.openstack.api.facts import EMPTY, HTML, JSON, TEXT, VERSIONS, Reply
from quorate.openstack.api.presets import preset
from quorate.web.check import NOTHING_YET

OK = Reply(status=200, body=b"OK", seconds=0.25)
TOKEN = Reply(status=201, headers={"x-subject-token": "t0k"}, body=json.dumps(
    {"token": {"expires_at": "2099-11-21T10:00:00.000000Z", "project": {"id": "p1"}}}).encode())
OPENRC = "OS_AUTH_URL=http://keystone:5000\nOS_USERNAME=check\nOS_PASSWORD=pw\n"


class Client:
    """Answers by whole URLs; asked: (method, url, seconds, headers, json)."""

    def __init__(self, replies):
        self.replies, self.asked = replies, []

    def exchange(self, method, url, seconds, headers=None, json=None):
        self.asked.append((method, url, seconds, headers or {}, json))
        return self.replies.get(url, Reply(status=404))


def checked(replies, seconds=8.0, **options):
    client = Client(replies)
    return client, ApiCheck(dict({"target": "glance"}, **options), client).observe(seconds, NOTHING_YET)


# -- requests

def test_a_request_without_a_token_has_none_and_all_of_the_time():
    client, fact = checked({"http://127.0.0.1:9292/healthcheck": OK})
    (method, url, seconds, headers, body), = client.asked

    assert ("GET", "http://127.0.0.1:9292/healthcheck", {}, None) == (method, url, headers, body) and 0 < seconds <= 8
    assert "Glance (http://127.0.0.1:9292/healthcheck) answers." == fact.health.sentence
    assert (("seconds", 0.25), ("http_status", 200)) == ApiCheck({"target": "glance"}, client).metrics(fact)
    assert 2 == fact.status.answer.length and fact.status.asked_as is None


def test_the_first_half_of_the_time_is_for_the_token(secret):
    """Keystone's hashes take long; the service that is checked has the rest."""
    client, fact = checked({"http://keystone:5000/v3/auth/tokens": TOKEN, "http://127.0.0.1:9292/v2/images?limit=1": OK},
                           credentials=str(secret))
    first, second = client.asked

    assert ("POST", "http://keystone:5000/v3/auth/tokens", 4.0) == first[:3] and 0 < second[2] <= 8
    assert parse.token_request(parse.openrc(OPENRC)) == first[4]
    assert "Glance (http://127.0.0.1:9292/v2/images?limit=1) answers with a token." == fact.health.sentence


def test_a_refused_token_is_replaced_in_the_time_that_is_left(secret):
    client, fact = checked({"http://keystone:5000/v3/auth/tokens": TOKEN,
                            "http://127.0.0.1:9292/v2/images?limit=1": Reply(status=401)}, credentials=str(secret))
    assert ["POST", "GET", "POST", "GET"] == [method for method, *_ in client.asked] and "refused" == fact.health.code
    assert 0 < client.asked[2][2] <= 8 and 0 < client.asked[3][2] <= 8


def test_keystone_is_asked_at_the_place_that_is_checked(secret):
    """Not at the balancer in front of it, which the credentials name."""
    client, fact = checked({"http://127.0.0.1:5000/v3/auth/tokens": Reply(status=500)}, target="keystone",
                           credentials=str(secret))
    assert ["http://127.0.0.1:5000/v3/auth/tokens"] == [url for _method, url, *_ in client.asked]
    assert ("http://127.0.0.1:5000/v3/auth/tokens", "credentials", "any") == (
        fact.status.url, fact.status.asked_as, fact.status.wanted)
    assert "http://127.0.0.1:5000/v3/auth/tokens" in fact.health.sentence


def test_a_service_has_its_own_headers_beside_the_token(secret):
    client, _fact = checked({"http://keystone:5000/v3/auth/tokens": TOKEN}, target="placement", credentials=str(secret))
    assert {"OpenStack-API-Version": "placement 1.6", "X-Auth-Token": "t0k"} == client.asked[1][3]


def test_a_token_of_a_file_that_is_refused_is_tried_once(secret):
    """The file has no other one."""
    secret.write_text("t0k")
    client, fact = checked({"http://127.0.0.1:9292/v2/images?limit=1": Reply(status=401)}, token_file=str(secret))
    assert 1 == len(client.asked) and ("refused", "token") == (fact.health.code, fact.status.asked_as)


@pytest.mark.parametrize("reply", [Reply(status=302), Reply(status=200, body=b"<html>", headers={"location": "/other"})])
def test_what_is_no_redirect_is_not_followed(reply):
    client, _fact = checked({"http://127.0.0.1:80/": reply}, target="horizon")
    assert ["http://127.0.0.1:80/"] == [url for _method, url, *_ in client.asked]


@pytest.mark.parametrize("options, verify", [({}, True), ({"insecure": True}, False), ({"cacert": True}, None),
                                             ({"insecure": True, "cacert": True}, False)])
def test_which_certificates_are_trusted(monkeypatch, secret, options, verify):
    made = []
    monkeypatch.setattr(transport, "Client", lambda verify: made.append(verify) or Client({}))
    options = {name: str(secret) if name == "cacert" else value for name, value in options.items()}
    check = ApiCheck(dict({"target": "glance", "tls": True}, **options))
    check.observe(1.0, NOTHING_YET)
    check.observe(1.0, NOTHING_YET)
    assert [str(secret) if verify is None else verify] == made, "one client for all requests: it keeps its connection"


def test_an_answer_that_never_came_has_no_status():
    client, fact = checked({"http://127.0.0.1:9292/healthcheck": Reply("timeout", "no answer", seconds=8.0)})
    assert (("seconds", 8.0), ("http_status", 0)) == ApiCheck({"target": "glance"}, client).metrics(fact)
    assert "Glance (http://127.0.0.1:9292/healthcheck)" in fact.health.sentence


def test_a_policy_is_an_answer(secret):
    _client, fact = checked({"http://keystone:5000/v3/auth/tokens": TOKEN,
                             "http://127.0.0.1:9292/v2/images?limit=1": Reply(status=403)}, credentials=str(secret))
    assert ("serving", True) == fact.health[:2] and "a policy forbids the request" in fact.health.sentence


def test_a_long_limit_is_no_stall():
    """A resident check counts as hung only when several whole ones would have been over."""
    assert ApiCheck({"target": "glance", "timeout": "60"}).stalled_after >= 300


# -- targets

@pytest.mark.parametrize("options, base", [
    ({"port": "1"}, "http://127.0.0.1:1"), ({"port": "65535"}, "http://127.0.0.1:65535"), ({"host": "::1"}, "http://[::1]:9292"),
    ({"host": "[fd00::1]"}, "http://[fd00::1]:9292"), ({"host": "n1"}, "http://n1:9292"), ({"tls": True}, "https://127.0.0.1:9292"),
    ({"target": "http://a/b?c=d://e"}, "http://a")])
def test_where_it_is_asked(options, base):
    found = parse_target(dict({"target": "glance"}, **options))[1]
    assert base == found.base
    assert "/b?c=d://e" == found.deep if "target" in options else True


@pytest.mark.parametrize("options, says", [
    ({"target": ""}, "^name a URL or one of"), ({"target": "swift"}, "^there is no service called swift; name a URL"),
    ({"port": "65536"}, "1 to 65535, not '65536'"), ({"host": "u@a"}, "not 'u@a'"), ({"host": ""}, "not ''"),
    ({"host": "a/b"}, "not 'a/b'")])
def test_a_target_that_is_none(options, says):
    with pytest.raises(Usage, match=says):
        parse_target(dict({"target": "glance"}, **options))


@pytest.mark.parametrize("name", ["novaxxxx", "nova-apis", "-api", "api"])
def test_a_name_that_is_none(name):
    assert preset(name) is None


# -- replies

@pytest.mark.parametrize("data, kind", [
    (b"", EMPTY), (b" \n\0", EMPTY), (b' \n{"versions": []}', VERSIONS), (b'{"version": {}}', VERSIONS), (b"[1]", JSON),
    (b'["versions"]', JSON), (b"{", TEXT), (b"<HTML>", HTML), (b"\n <!DOCTYPE html>", HTML),
    (b"<!-- x --><html>", HTML),
    (b"plain \xff", TEXT), (b"1", TEXT), (b"<xml>", TEXT), (b'{"x": "\xff"}', JSON)])
def test_the_kind_of_a_body(data, kind):
    assert kind == parse.body(data)[0]


@pytest.mark.parametrize("text, line", [
    ("x" * 100, "x" * 100), ("x" * 101, "x" * 97 + "..."), ("a\n\tb\x1b[1m", "a b [1m"), (" x  y ", "x y")])
def test_what_is_shown_of_it(text, line):
    assert line == parse.shown(text)


@pytest.mark.parametrize("url, place", [
    ("HTTPS://A/x", ("https", "a:443")), ("http://a:81?x=/", ("http", "a:81")), ("http://a/b://c", ("http", "a:80")),
    ("https://[::1]:5/", ("https", "[::1]:5")), ("https://[::1]", ("https", "[::1]:443")), ("http://A:80", ("http", "a:80"))])
def test_the_place_of_a_url(url, place):
    assert place == parse.origin(url)


@pytest.mark.parametrize("url, location, place", [
    ("http://a/b?x=d://e", "c", "http://a/c"), ("http://a/b?x=/y", "/c", "http://a/c"), ("http://a/x/y?z=1", "?z=2", "http://a/x/y?z=2"),
    ("http://a/x/y", "../c", "http://a/c"), ("http://a/x/y", "./c", "http://a/x/c")])
def test_where_a_relative_redirect_leads(url, location, place):
    """RFC 3986, 5.2.4. With a '/' in the query of the first URL it led to 'http://a//c'."""
    assert place == observe.joined(url, location)


# -- credentials

@pytest.mark.parametrize("line, value", [
    ("export   OS_PROJECT_ID=p", "p"), ("OS_PROJECT_ID=a=b", "a=b"), ("OS_PROJECT_ID='a' # 'b'", "a"), ("OS_PROJECT_ID=''", ""),
    ("OS_PROJECT_ID='a", "'a"), ('OS_PROJECT_ID="a\'b"', "a'b"), ("OS_PROJECT_ID=a #b", "a"), ("OS_PROJECT_ID=a#b", "a#b"),
    ("OS_PROJECT_ID='$x'", "$x"), ("  OS_PROJECT_ID = p", None), ("exportOS_PROJECT_ID=p", None), ("OS_PROJECT_ID", None)])
def test_a_line_of_openrc(line, value):
    assert value == parse.openrc(OPENRC + line).get("OS_PROJECT_ID")


@pytest.mark.parametrize("lines, user, scope", [
    ("", {"name": "check", "domain": {"id": "default"}}, None),
    ("OS_USER_DOMAIN_NAME=Users", {"name": "check", "domain": {"name": "Users"}}, None),
    ("OS_USER_DOMAIN_ID=u1\nOS_PROJECT_DOMAIN_NAME=no", {"name": "check", "domain": {"id": "u1"}}, None),
    ("OS_USER_ID=i1", {"id": "i1"}, None),
    ("OS_PROJECT_ID=p1", {"name": "check", "domain": {"id": "default"}}, {"project": {"id": "p1"}}),
    ("OS_PROJECT_NAME=p\nOS_PROJECT_DOMAIN_NAME=Projects", {"name": "check", "domain": {"id": "default"}},
     {"project": {"name": "p", "domain": {"name": "Projects"}}}),
    ("OS_PROJECT_NAME=p\nOS_PROJECT_DOMAIN_ID=d1\nOS_USER_DOMAIN_ID=u1", {"name": "check", "domain": {"id": "u1"}},
     {"project": {"name": "p", "domain": {"id": "d1"}}})])
def test_what_keystone_is_asked_for(lines, user, scope):
    """Keystone's API v3, POST /v3/auth/tokens."""
    asked = {"identity": {"methods": ["password"], "password": {"user": dict(user, password="pw")}}}
    assert {"auth": dict(asked, scope=scope) if scope else asked} == parse.token_request(parse.openrc(OPENRC + lines))


def test_other_ways_to_name_an_account():
    url = "OS_AUTH_URL=http://k\n"
    assert "i" == parse.openrc(url + "OS_USER_ID=i\nOS_PASSWORD=p")["OS_USER_ID"]
    found = parse.openrc(url + "OS_APPLICATION_CREDENTIAL_ID=a\nOS_APPLICATION_CREDENTIAL_SECRET=s")
    assert {"id": "a", "secret": "s"} == parse.token_request(found)["auth"]["identity"]["application_credential"]
    found.pop("OS_APPLICATION_CREDENTIAL_SECRET")
    assert "" == parse.token_request(found)["auth"]["identity"]["application_credential"]["secret"]
    with pytest.raises(ValueError, match="OS_PASSWORD is missing"):
        parse.openrc(url + "OS_USER_ID=i")


def test_a_secret_file_of_any_bytes(secret):
    secret.write_bytes(b"\xfft0k")
    assert "\ufffdt0k" == read_secret(str(secret))


@pytest.mark.parametrize("text, seconds", [
    ("2026-11-21T10:00:00.000000Z", 1795255200), ("2026-11-21T10:00:00Z", 1795255200), ("2026-11-21T10:00:07", 1795255207),
    ("2026-11-21T10:00", 0), ("2026-11-21", 0), ("", 0), (None, 0), (5, 0), ("2026-11-21T10:00:00+00:00", 0)])
def test_when_a_token_ends(text, seconds):
    assert seconds == parse.seconds(text)


def test_a_reply_that_is_no_text_has_no_token():
    assert parse.token(TOKEN._replace(body=b"\xff")) is None
    assert observe.Target("http://a", ()).login is False
