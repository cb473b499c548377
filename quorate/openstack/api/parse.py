# SPDX-License-Identifier: Apache-2.0
"""Replies, URLs and files of credentials to facts. Pure."""

from quorate.openstack.api.facts import EMPTY, HTML, JSON, TEXT, VERSIONS, Answer, Token

NAMES = ("OS_AUTH_URL", "OS_USERNAME", "OS_USER_ID", "OS_PASSWORD", "OS_USER_DOMAIN_NAME", "OS_USER_DOMAIN_ID",
         "OS_PROJECT_NAME", "OS_PROJECT_ID", "OS_PROJECT_DOMAIN_NAME", "OS_PROJECT_DOMAIN_ID",
         "OS_APPLICATION_CREDENTIAL_ID", "OS_APPLICATION_CREDENTIAL_SECRET")
MOST_WORDS = 100  # characters of a body that are shown


def answer(reply):
    """The Answer in a Reply."""
    if reply.error:
        return Answer(reply.error, reply.detail, reply.status, seconds=reply.seconds)
    kind, words = body(reply.body)
    return Answer(None, None, reply.status, kind, words, reply.headers.get("location"), len(reply.body), reply.seconds)


def body(data):
    """(kind, beginning as one printable line) of a body."""
    text = data.decode("utf-8", "replace")
    words = shown(text)
    if not words:
        return EMPTY, ""
    if text.lstrip()[:1] in "{[":
        found = parsed(text)
        if found is not None:
            return (VERSIONS if isinstance(found, dict) and ("versions" in found or "version" in found)
                    else JSON), words
    start = text.lstrip()[:2000].lower()
    return (HTML if start.startswith(("<!doctype html", "<html")) or "<html" in start else TEXT), words


def parsed(text):
    """The value of a JSON text; None when it is no JSON."""
    import json
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def shown(text):
    """The beginning of a text, as one line without control characters."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[:2000]).split())
    return line[:MOST_WORDS - 3] + "..." if len(line) > MOST_WORDS else line


def origin(url):
    """(scheme, 'host:port') of a URL, to tell whether a redirect leads elsewhere."""
    scheme, _, rest = url.partition("://")
    place = rest.partition("/")[0].partition("?")[0].lower()
    return scheme.lower(), place if ":" in place.rpartition("]")[2] else place + (":443" if scheme.lower() == "https"
                                                                                  else ":80")


def openrc(text):
    """The OS_ names in a file with lines NAME=value or `export NAME=value`, a dict. The file is read, never executed.
    Raises ValueError for a value that only a shell could expand, and for a missing one."""
    found = {}
    for line in text.splitlines():
        line = line.strip()
        line = line[7:].lstrip() if line.startswith("export ") else line
        name, equals, value = line.partition("=")
        if not equals or name not in NAMES:
            continue
        value = value.strip()
        literal = value.startswith("'")
        if value[:1] in ("'", '"') and value[0] in value[1:]:
            value = value[1:].partition(value[0])[0]
        else:
            value = value.partition(" #")[0].strip()
        if not literal and ("$" in value or "`" in value):
            raise ValueError("%s needs a shell, but this file is not executed: write the value itself, in single quotes"
                             % name)
        found[name] = value
    if not found.get("OS_AUTH_URL", "").startswith(("http://", "https://")):
        raise ValueError("OS_AUTH_URL is missing, or is no http:// or https:// URL")
    if not found.get("OS_APPLICATION_CREDENTIAL_ID"):
        for name in ("OS_USERNAME", "OS_PASSWORD"):
            if not found.get(name) and not (name == "OS_USERNAME" and found.get("OS_USER_ID")):
                raise ValueError("%s is missing" % name)
    return found


def token_url(auth_url):
    """The URL at which Keystone issues tokens."""
    base = auth_url.rstrip("/")
    return (base if base.endswith("/v3") else base + "/v3") + "/auth/tokens"


def token_request(found):
    """The body of a request for a token by Keystone's API v3, from openrc's names."""
    if found.get("OS_APPLICATION_CREDENTIAL_ID"):
        return {"auth": {"identity": {"methods": ["application_credential"], "application_credential": {
            "id": found["OS_APPLICATION_CREDENTIAL_ID"], "secret": found.get("OS_APPLICATION_CREDENTIAL_SECRET", "")}}}}
    user = {"password": found["OS_PASSWORD"]}
    if found.get("OS_USER_ID"):
        user["id"] = found["OS_USER_ID"]
    else:
        user.update(name=found["OS_USERNAME"], domain=_domain(found, "USER"))
    request = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    if found.get("OS_PROJECT_ID"):
        request["auth"]["scope"] = {"project": {"id": found["OS_PROJECT_ID"]}}
    elif found.get("OS_PROJECT_NAME"):
        request["auth"]["scope"] = {"project": {"name": found["OS_PROJECT_NAME"], "domain": _domain(found, "PROJECT")}}
    return request


def _domain(found, whose):
    if found.get("OS_%s_DOMAIN_NAME" % whose):
        return {"name": found["OS_%s_DOMAIN_NAME" % whose]}
    return {"id": found.get("OS_%s_DOMAIN_ID" % whose) or "default"}


def token(reply):
    """The Token in Keystone's reply; None when there is none."""
    value = reply.headers.get("x-subject-token")
    found = parsed(reply.body.decode("utf-8", "replace")) if reply.status == 201 and value else None
    if not isinstance(found, dict) or not isinstance(found.get("token"), dict):
        return None
    project = found["token"].get("project")
    return Token(value, project.get("id") if isinstance(project, dict) else None,
                 seconds(found["token"].get("expires_at")))


def seconds(text):
    """'2026-11-21T08:15:30.000000Z' as seconds since 1970; 0 when it is something else, so that the token is
    renewed."""
    import calendar
    try:
        day, _, time = text.partition("T")
        parts = [int(word) for word in day.split("-") + time.partition(".")[0].rstrip("Z").split(":")]
        return calendar.timegm(tuple(parts) + (0, 0, 0)) if len(parts) == 6 else 0
    except (AttributeError, ValueError):
        return 0
