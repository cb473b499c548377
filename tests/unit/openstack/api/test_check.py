# SPDX-License-Identifier: Apache-2.0
"""api-check: what is asked, with whose token, and what an answer means."""

import json
import os

import pytest

from quorate.errors import Usage
from quorate.openstack.api import observe, parse
from quorate.openstack.api.check import ApiCheck, parse_identity, parse_target
from quorate.openstack.api.credentials import Login, TokenFile
from quorate.openstack.api.facts import Answer, Reply, State
from quorate.openstack.api.health import classify
from quorate.openstack.api.presets import PRESETS, preset
from quorate.web.check import NOTHING_YET
from tests import ROOT

VERSIONS = b'{"versions": [{"id": "v2.1"}]}'
OK = Reply(status=200, body=b"OK")
LIST = Reply(status=300, body=VERSIONS)
SECRET = "do-not-show-me"


def said(reply, wanted="any", asked_as=None, identity=None):
    return classify(State("http://n1:5000/", parse.answer(reply), wanted, asked_as, identity), "Keystone")


@pytest.mark.parametrize("reply, wanted, code, ok, words", [
    (OK, "any", "serving", True, "Keystone (http://n1:5000/) answers."),
    (LIST, "versions", "serving", True, ""), (Reply(status=200, body=VERSIONS), "json", "serving", True, ""),
    (Reply(status=200, body=b'{"version": {}}'), "versions", "serving", True, ""),
    (Reply(status=200, body=b'{"error": {}}'), "versions", "garbled", False, "not a list of versions"),
    (Reply(status=200, body=b"<html>It works!</html>"), "json", "garbled", False, "with a page, which is not JSON"),
    (Reply(status=200, body=b'{"versions": ['), "versions", "garbled", False, "'{\"versions\": ['"),
    (Reply(status=200), "text", "garbled", False, "no body"),
    (Reply(status=200, body=b"1.0\n2007-01-19\nlatest"), "text", "serving", True, ""),
    (Reply(status=503, body=b"DISABLED BY FILE"), "any", "maintenance", False, "disable_by_file"),
    (Reply(status=503, body=b"<html>Service Unavailable</html>"), "any", "error", False, "answers 503; see its log"),
    (Reply(status=500, body=b'{"message": "no\x1b[2J database"}'), "any", "error", False,
     'no [2J database"}; see its log'),
    (Reply(status=401), "any", "refused", False, "requires a token"),
    (Reply(status=403), "any", "error", False, "answers 403"),
    (Reply(status=404), "any", "missing", False, "nothing at this path"),
    (Reply(status=302, headers={"location": "https://n1/"}), "any", "redirected", False, "to https://n1/"),
    (Reply(status=302), "any", "redirected", False, "to nowhere"),
    (Reply(status=204), "any", "error", False, "answers 204"),
    (Reply("refused"), "any", "down", False, "nothing listens there"),
    (Reply("unreachable", "No route to host"), "any", "down", False, "cannot be reached: No route to host."),
    (Reply("name", "Name or service not known"), "any", "unknown", False, "name does not resolve"),
    (Reply("tls", "certificate has expired"), "any", "tls", False, "TLS error: certificate has expired."),
    (Reply("timeout", "no answer within 3 s"), "any", "hung", False, "hangs: no answer within 3 s."),
    (Reply("closed"), "any", "closed", False, "closes the connection"),
    (Reply("reset"), "any", "closed", False, "resets"),
    (Reply("garbage", "SSH-2.0"), "any", "garbled", False, "not HTTP: SSH-2.0"),
    (Reply("half", "3 of 9 bytes", 200), "any", "half", False, "incomplete answer: 3 of 9 bytes"),
    (Reply("long", "more than 4 MB", 200), "any", "garbled", False, "more than 4 MB"),
    (Reply("failed", "what?"), "any", "unknown", False, "cannot be asked: what?"),
])
def test_word_and_sentence(reply, wanted, code, ok, words):
    found = said(reply, wanted)
    assert (code, ok) == found[:2]
    assert words in found.sentence
    assert "\n" not in found.sentence and "\x1b" not in found.sentence


def test_with_a_token():
    assert ("serving", True, "Keystone (http://n1:5000/) answers with a token.") == said(OK, asked_as="token")
    assert ("serving", True) == said(Reply(status=403), asked_as="token")[:2]  # policy is an answer
    assert ("refused", False) == said(Reply(status=401), asked_as="credentials")[:2]
    found = said(OK, identity="Keystone gave no token: it hangs.")
    assert ("degraded", True) == found[:2] and found.sentence.endswith("was not asked: Keystone gave no token: it "
                                                                       "hangs.")


class Client:
    """Answers by URL; what was asked is kept."""

    def __init__(self, **replies):
        self.replies = {name.replace("_", "/"): reply for name, reply in replies.items()}
        self.asked = []

    def exchange(self, method, url, seconds, headers=None, json=None):
        path = url.partition("://")[2].partition("/")[2]
        self.asked.append((method, "/" + path, headers or {}, json))
        reply = self.replies.get(path, Reply(status=404))
        return reply.pop(0) if isinstance(reply, list) else reply

    def paths(self):
        return [path for _, path, _, _ in self.asked]


def checked(client, **options):
    return ApiCheck(dict({"target": "glance"}, **options), client).observe(3.0, NOTHING_YET)


@pytest.mark.parametrize("replies, code, paths", [
    ({"healthcheck": OK}, "serving", ["/healthcheck"]),
    ({"": LIST}, "serving", ["/healthcheck", "/"]),
    ({"healthcheck": Reply(status=401), "": LIST}, "serving", ["/healthcheck", "/"]),
    ({"healthcheck": Reply(status=503), "": LIST}, "error", ["/healthcheck"]),
    ({"healthcheck": Reply("timeout", "x"), "": LIST}, "hung", ["/healthcheck"]),
    ({}, "missing", ["/healthcheck", "/"]),
])
def test_the_next_path_is_asked_only_where_the_first_is_not_there(replies, code, paths):
    client = Client(**replies)
    assert code == checked(client).health.code
    assert paths == client.paths()


def test_redirects_are_followed_to_the_same_host_and_port_only():
    home = Client(**{"": Reply(status=302, headers={"location": "/auth/login/?next=/"}),
                     "auth/login/?next=/": Reply(status=200, body=b"<!DOCTYPE html><html>")})
    assert "serving" == checked(home, target="horizon").health.code
    away = Client(**{"": Reply(status=302, headers={"location": "https://elsewhere/"})})
    assert ("redirected", ["/"]) == (checked(away, target="horizon").health.code, away.paths())
    circle = Client(**{"": Reply(status=302, headers={"location": "/"})})
    assert ("redirected", 3) == (checked(circle, target="horizon").health.code, len(circle.asked))


@pytest.mark.parametrize("url, location, expected", [
    ("http://a:1/x/y?z=1", "/b", "http://a:1/b"), ("http://a:1/x/y", "b", "http://a:1/x/b"),
    ("http://a:1", "b", "http://a:1/b"),
    ("https://a/", "//c/d", "https://c/d"), ("http://a/", "https://c/", "https://c/"),
    ("http://a/", "/login?next=http://a/", "http://a/login?next=http://a/")])
def test_where_a_redirect_leads(url, location, expected):
    assert expected == observe.joined(url, location)


def test_a_default_port_is_the_same_place():
    assert parse.origin("http://A/x") == parse.origin("http://a:80/") != parse.origin("https://a/")
    assert ("http", "[::1]:80") == parse.origin("http://[::1]/")


# Who asks

OPENRC = """# from Horizon
export OS_AUTH_URL=http://keystone:5000/v3
OS_USERNAME="check"
export OS_PASSWORD='%s $HOME # ok'
OS_PROJECT_NAME=service   # ours
OS_REGION_NAME=one
""" % SECRET
TOKEN = Reply(status=201, headers={"x-subject-token": "t0k"}, body=json.dumps(
    {"token": {"expires_at": "2026-11-21T10:00:00.000000Z", "project": {"id": "p1"}}}).encode())


def test_openrc_is_read_and_not_executed():
    assert {"OS_AUTH_URL": "http://keystone:5000/v3", "OS_USERNAME": "check", "OS_PASSWORD": SECRET + " $HOME # ok",
            "OS_PROJECT_NAME": "service"} == parse.openrc(OPENRC)


@pytest.mark.parametrize("text, message", [
    ("", "OS_AUTH_URL is missing"), ("OS_AUTH_URL=keystone", "OS_AUTH_URL"),
    ("OS_AUTH_URL=http://k\nOS_USERNAME=a", "OS_PASSWORD"),
    ("OS_AUTH_URL=http://k\nOS_PASSWORD=a", "OS_USERNAME"), ("OS_AUTH_URL=http://k\nOS_PASSWORD=$(pass os)", "shell"),
    ("OS_AUTH_URL=http://k\nOS_PASSWORD=`pass`", "shell")])
def test_openrc_that_cannot_be_used(text, message):
    with pytest.raises(ValueError, match=message) as error:
        parse.openrc(text)
    assert SECRET not in str(error.value)


def test_what_keystone_is_asked():
    assert {"auth": {"identity": {"methods": ["password"], "password": {"user": {
        "password": SECRET + " $HOME # ok", "name": "check", "domain": {"id": "default"}}}},
        "scope": {"project": {"name": "service",
                              "domain": {"id": "default"}}}}} == parse.token_request(parse.openrc(OPENRC))
    assert {"methods": ["application_credential"], "application_credential": {"id": "a",
                                                                              "secret": "b"}} == parse.token_request(
        {"OS_APPLICATION_CREDENTIAL_ID": "a", "OS_APPLICATION_CREDENTIAL_SECRET": "b"})["auth"]["identity"]
    assert ["http://k/v3/auth/tokens"] * 2 == [parse.token_url("http://k/v3/"), parse.token_url("http://k")]
    assert (1795255200, 0, 0) == (parse.token(TOKEN).expires, parse.seconds("soon"), parse.seconds(None))


@pytest.mark.parametrize("reply", [OK, Reply(status=201, body=TOKEN.body), TOKEN._replace(body=b"[]"),
                                   TOKEN._replace(body=b"{"),
                                   TOKEN._replace(body=b'{"token": 1}'), TOKEN._replace(status=401), Reply("timeout")])
def test_what_is_no_token(reply):
    assert parse.token(reply) is None


def test_asked_with_a_token_of_keystone(secret):
    client = Client(**{"v3/auth/tokens": TOKEN, "v2/images?limit=1": OK})
    check = ApiCheck({"target": "glance", "credentials": str(secret)}, client)
    check._identity._clock = lambda: 1795255100.0

    for _ in range(3):
        found = check.observe(3.0, NOTHING_YET)
    assert ("serving", "credentials") == (found.health.code, found.status.asked_as)
    assert ["/v3/auth/tokens"] + ["/v2/images?limit=1"] * 3 == client.paths()
    assert {"X-Auth-Token": "t0k"} == client.asked[1][2]


def test_a_token_near_its_end_is_renewed(secret):
    client, now = Client(**{"v3/auth/tokens": TOKEN}), [1795255100.0]
    login = Login(str(secret), clock=lambda: now[0])
    login.token(client, 1)
    now[0] += 50
    login.token(client, 1)
    assert 2 == len(client.asked)


def test_a_revoked_token_is_got_anew_once(secret):
    client = Client(**{"v3/auth/tokens": TOKEN, "v2/images?limit=1": [Reply(status=401), OK, Reply(status=401),
                                                                      Reply(status=401)]})
    check = ApiCheck({"target": "glance", "credentials": str(secret)}, client)
    check._identity._clock = lambda: 1795255100.0

    assert "serving" == check.observe(3.0, NOTHING_YET).health.code
    assert "refused" == check.observe(3.0, NOTHING_YET).health.code
    assert 3 == client.paths().count("/v3/auth/tokens")


@pytest.mark.parametrize("keystone, words", [
    (Reply("timeout", "no answer within 1.5 s"), "no answer within 1.5 s"), (Reply(status=500), "it answers 500"),
    (Reply("refused"), "refused"), (Reply(status=401), "it refuses the credentials")])
def test_without_keystone_another_service_is_asked_what_needs_no_token(secret, keystone, words):
    """Unknown is not no: a lost Keystone must not take Glance out of the balancer."""
    client = Client(**{"v3/auth/tokens": keystone, "healthcheck": OK})
    found = checked(client, credentials=str(secret))

    assert ("degraded", True) == found.health[:2]
    assert words in found.health.sentence and SECRET not in found.health.sentence


def test_keystone_that_gives_no_token_is_not_asked_each_time(secret):
    for reply, after in ((Reply(status=401), 9.0), (Reply("timeout", "x"), 2.5)):
        client, now = Client(**{"v3/auth/tokens": reply}), [100.0]
        login = Login(str(secret), clock=lambda now=now: now[0])
        why = login.token(client, 1)
        now[0] += after
        assert why == login.token(client, 1)
        assert 1 == len(client.asked)
        now[0] += 1.5
        login.token(client, 1)
        assert 2 == len(client.asked)


@pytest.mark.parametrize("reply, code", [(Reply(status=500), "error"), (Reply(status=401), "refused"),
                                         (Reply("timeout", "x"), "hung"), (Reply("refused"), "down")])
def test_keystone_itself_is_checked_by_its_login(secret, reply, code):
    client = Client(**{"v3/auth/tokens": reply, "healthcheck": OK})
    assert (code, False) == checked(client, target="keystone", credentials=str(secret)).health[:2]


def test_keystone_comes_back(secret):
    client = Client(**{"v3/auth/tokens": [Reply(status=500), TOKEN, Reply(status=200, body=TOKEN.body)]})
    check = ApiCheck({"target": "keystone", "credentials": str(secret)}, client)
    check._identity._clock = lambda: 1795255100.0
    assert ["error", "serving"] == [check.observe(3.0, NOTHING_YET).health.code for _ in range(2)]
    assert "t0k" == client.asked[-1][2]["X-Subject-Token"]


@pytest.mark.parametrize("target, path", [("cinder", "/v3/p1/types"), ("heat", "/v1/p1/build_info")])
def test_project_in_the_path(secret, target, path):
    client = Client(**{"v3/auth/tokens": TOKEN})
    checked(client, target=target, credentials=str(secret))
    assert path == client.paths()[1]
    unscoped = Client(**{"v3/auth/tokens": TOKEN._replace(body=b'{"token": {"expires_at": "2026-11-21T10:00:00Z"}}'),
                         "healthcheck": OK})
    assert "OS_PROJECT_NAME" in checked(unscoped, target=target, credentials=str(secret)).health.sentence


def test_a_file_that_everybody_can_use_is_not_used(secret):
    for mode in (0o644, 0o602):
        secret.chmod(mode)
        found = checked(Client(healthcheck=OK), credentials=str(secret))
        assert ("degraded", True) == (found.health.code, "chmod o=" in found.health.sentence)


def test_token_from_a_file_that_is_read_each_time(secret):
    client = Client(**{"v2/images?limit=1": OK})
    check = ApiCheck({"target": "glance", "token_file": str(secret)}, client)
    for value in ("one\n", "two\n"):
        secret.write_text(value)
        assert "token" == check.observe(3.0, NOTHING_YET).status.asked_as
    assert ["one", "two"] == [headers["X-Auth-Token"] for _, _, headers, _ in client.asked]
    secret.write_text("")
    assert "is empty" in TokenFile(str(secret)).token(client, 1)[1]
    assert "cannot be read" in TokenFile(str(secret) + "x").token(client, 1)[1]


def test_no_secret_is_shown(secret):
    client = Client(**{"v3/auth/tokens": TOKEN, "v2/images?limit=1": OK})
    check = ApiCheck({"target": "glance", "credentials": str(secret)}, client)
    shown = repr(check.observe(3.0, NOTHING_YET)) + json.dumps(check.known(check.observe(3.0, NOTHING_YET)))
    for text in (shown, repr(TOKEN), repr(parse.token(TOKEN))):
        assert "t0k" not in text and SECRET not in text


# What the words of the command mean

@pytest.mark.parametrize("options, base, paths, deep", [
    ({"target": "nova_metadata"}, "http://127.0.0.1:8775", [("/", "text")], None),
    ({"target": "cinder-api", "host": "fd00::1", "tls": True}, "https://[fd00::1]:8776",
     [("/healthcheck", "any"), ("/", "versions")], "/v3/{project}/types"),
    ({"target": "nova", "port": "80", "path": "/x%20y"}, "http://127.0.0.1:80", [("/x%20y", "any")], "/x%20y"),
    ({"target": "nova", "expect": "json"}, "http://127.0.0.1:8774", [("/", "json")], "/v2.1/flavors?limit=1"),
    ({"target": "https://c:5000"}, "https://c:5000", [("/healthcheck", "any"), ("/", "versions")], None),
    ({"target": "http://c/v3?a=1"}, "http://c", [("/v3?a=1", "json")], "/v3?a=1"),
    ({"target": "http://c/"}, "http://c", [("/healthcheck", "any"), ("/", "versions")], None),
])
def test_target(options, base, paths, deep):
    found = parse_target(options)[1]
    assert (base, paths, deep) == (found.base, list(found.paths), found.deep)


@pytest.mark.parametrize("options, message", [
    ({}, "name a URL or one of: keystone"), ({"target": "swift"}, "no service called swift"),
    ({"target": "ftp://a/"}, "not an http"), ({"target": "http://"}, "not an http"),
    ({"target": "http://u:p@a/"}, "readable for every user"),
    ({"target": "http://a/", "port": "1"}, "--port does not go"),
    ({"target": "nova", "port": "http"}, "--port is a number"), ({"target": "nova", "port": "0"}, "--port is a number"),
    ({"target": "nova", "host": "a/b"}, "--host"), ({"target": "nova", "path": "x"}, "begins with /"),
    ({"target": "nova", "expect": "xml"}, "--expect"), ({"target": "nova", "timeout": "0"}, "--timeout"),
    ({"target": "nova", "cacert": "/nonexistent"}, "No such file"),
    ({"target": "nova", "credentials": "a", "token_file": "b"}, "not both"),
    ({"target": "horizon", "credentials": "a"}, "no request with a token"),
    ({"target": "http://a", "credentials": "a"}, "no request with a token"),
    ({"target": "heat", "token_file": "a"}, "id of a project"),
])
def test_what_is_not_understood(options, message):
    with pytest.raises(Usage, match=message):
        ApiCheck(options)


def test_every_preset_is_asked_something_and_is_found_by_its_names():
    for name, each in PRESETS.items():
        assert each.paths and each is preset(name) is preset(name + "-api") is preset(name.replace("-", "_"))
        assert parse_identity({}, observe.Target("http://a", each.paths, each.deep)) is None


def test_live_is_an_answer_in_whatever_state():
    check = ApiCheck({"target": "glance"})
    for reply, alive in ((Reply(status=500), True), (Reply("timeout", "x"), False), (Reply("half", "x", 200), True)):
        fact = NOTHING_YET._replace(status=State("u", parse.answer(reply), "any"))
        assert alive is check.answered(fact)
    assert not check.answered(NOTHING_YET)
    assert () == check.metrics(NOTHING_YET)
    assert (("seconds", 0.25), ("http_status", 200)) == check.metrics(
        NOTHING_YET._replace(status=State("u", Answer(status=200, seconds=0.25), "any")))


def test_requests_is_imported_in_one_place_and_late():
    with open(os.path.join(ROOT, "quorate", "openstack", "api", "check.py"), encoding="utf-8") as file:
        top = [line for line in file if line.startswith(("import ", "from "))]
    assert not any("requests" in line or "transport" in line for line in top)
