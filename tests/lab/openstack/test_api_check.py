# SPDX-License-Identifier: Apache-2.0
"""api-check in front of servers that misbehave, on real sockets and with real TLS. Whatever they do, it ends, and says
what it was."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from bench.one_server import exchange, free_port, until
from tests import ROOT
from tests.listening import serve_each

CHECK = os.path.join(ROOT, "checks", "api-check")
VERSIONS = b'{"versions": [{"id": "v3"}]}'
TOKEN = json.dumps({"token": {"expires_at": "2099-01-01T00:00:00Z", "project": {"id": "p"}}}).encode()


def answer(status, body=b"", *headers):
    return b"\r\n".join((b"HTTP/1.1 %d Something" % status, b"Content-Length: %d" % len(body), b"Connection: close")
                        + headers
                        + (b"", body))


class Server:
    """A listener with a function that gets each connection and the request's head; it is ended with the test."""

    def __init__(self, behave):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port, self.behave, self.ended, self.heads = self.listener.getsockname()[1], behave, threading.Event(), []
        self.url = "http://127.0.0.1:%d" % self.port
        serve_each(self.listener, self._serve)

    def _serve(self, one):
        with one, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                more = one.recv(65536)
                if not more:
                    return
                head += more
            self.heads.append(head.decode("latin-1"))
            self.behave(self, one)

    def path(self):
        return self.heads[-1].split()[1]

    def end(self):
        self.ended.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # closing it alone would leave accept() waiting
        self.listener.close()


@pytest.fixture
def serve():
    servers = []

    def begin(behave):
        servers.append(Server(behave))
        return servers[-1]

    yield begin
    for each in servers:
        each.end()


def run(*words, timeout="20"):
    """(exit code, sentence). The limit of 30 s is for a check that has none of its own."""
    done = subprocess.run([CHECK, "--timeout", timeout] + list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30)
    assert "" == done.stderr
    assert 1 == len(done.stdout.splitlines())
    return done.returncode, done.stdout


def says(data):
    """Sends it all and closes."""
    return lambda server, one: one.sendall(data)


def hang(server, one):
    server.ended.wait(60)


def drip_head(server, one):
    one.sendall(b"HTTP/1.1 200 OK\r\nX-A: ")
    while not server.ended.wait(0.05):
        one.sendall(b"a")


def drip_body(server, one):
    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not server.ended.wait(0.05):
        one.sendall(b" ")


def half_then_hang(server, one):
    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    server.ended.wait(60)


def reset(server, one):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def endless(server, one):
    one.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not server.ended.is_set():
        one.sendall(b"x" * 65536)


@pytest.mark.parametrize("behave, code, words", [
    (says(answer(200, VERSIONS)), 0, "answers."),
    (says(answer(300, VERSIONS)), 0, "answers."),
    (says(b"HTTP/1.0 200 OK\r\n\r\n" + VERSIONS), 0, "answers."),
    (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), 0, "answers."),
    (hang, 1, "hangs: no answer within 1 s"),
    (drip_head, 1, "hangs: no answer within 1 s"),
    (drip_body, 1, "hangs: no end of its answer within 1 s"),
    (half_then_hang, 1, "hangs: no end of its answer within 1 s"),
    (says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), 1, "incomplete answer"),
    (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{}"), 1, "incomplete answer"),
    (says(b"HTTP/1.1 200 OK\r\nContent-Le"), 1, "incomplete answer|closes|garbled|is not JSON|not HTTP"),
    (says(b"SSH-2.0-OpenSSH_9.2\r\n"), 1, "not HTTP"),
    (says(b"\x00\xff" * 1000), 1, "not HTTP"),
    (says(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70000 + b"\r\n\r\n"), 1, "not HTTP"),
    (says(b""), 1, "closes the connection without an answer"),
    (reset, 1, "resets the connection without an answer"),
    (endless, 1, "too large an answer for an API"),
    (says(answer(503, b"DISABLED BY FILE")), 1, "disable_by_file"),
    (says(answer(503, b"no database")), 1, "answers 503: no database; see its log"),
    (says(answer(500, b"\x1b[2J" * 1000)), 1, "answers 500"),
    (says(answer(200, b"It works!")), 1, "'It works!', which is not JSON"),
    (says(answer(200, b'{"versions":')), 1, "which is not JSON"),
    (says(answer(401)), 3, "requires a token"),
    (says(answer(404)), 1, "nothing at this path"),
    (says(answer(301, b"", b"Location: https://elsewhere.invalid/")), 1,
     "redirects its clients to https://elsewhere.invalid/"),
], ids=lambda value: getattr(value, "__name__", None))
def test_what_servers_do(serve, behave, code, words):
    found, sentence = run("%s/v3" % serve(behave).url, timeout="1" if "within 1 s" in words else "20")

    assert code == found, sentence
    assert any(each in sentence for each in words.split("|")), sentence


def test_nobody_listens_and_a_name_that_nobody_knows():
    assert (1, True) == (lambda code, text: (code, "nothing listens" in text))(*run("http://127.0.0.1:%d/"
                                                                                    % free_port()))
    assert (3, True) == (lambda code, text: (code, "cannot be asked" in text))(*run("http://nobody.invalid/"))


def test_a_full_queue_of_connections_is_hung():
    """The kernel takes no more connections for a process that accepts none."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        crowd = []
        try:
            for _ in range(3):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
                crowd.append(one)
            code, sentence = run("http://127.0.0.1:%d/" % listener.getsockname()[1], timeout="1")
            assert (1, True) == (code, "hangs" in sentence), sentence
        finally:
            for one in crowd:
                one.close()


def test_a_proxy_of_the_environment_is_not_asked(serve):
    """The node's own service is meant, and a proxy would answer for it."""
    server = serve(says(answer(200, VERSIONS)))
    done = subprocess.run([CHECK, server.url], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=30,
                          env={"PATH": "/usr/bin", "http_proxy": "http://127.0.0.1:9",
                               "HTTP_PROXY": "http://127.0.0.1:9"})
    assert 0 == done.returncode, done.stdout


# TLS

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed: apt-get install openssl")
    home = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2",
                    "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", str(home / "key"), "-out", str(home / "pem")], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return str(home / "pem"), str(home / "key")


@pytest.fixture
def secured(certificate, serve):
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    class Secured(Server):
        def _serve(self, one):
            with contextlib.suppress(OSError):
                Server._serve(self, context.wrap_socket(one, server_side=True))

    server = Secured(says(answer(200, VERSIONS)))
    yield server
    server.end()


def test_tls(secured, certificate):
    url = secured.url.replace("http:", "https:")
    code, sentence = run(url)
    assert (1, True) == (code, "TLS error: self" in sentence), sentence
    assert 0 == run(url, "--cacert", certificate[0])[0]
    assert 0 == run(url, "--insecure")[0]
    code, sentence = run(url.replace("127.0.0.1", "localhost"), "--cacert", certificate[0])
    assert (1, True) == (code, "TLS" in sentence), sentence


def test_tls_where_there_is_none(serve):
    code, sentence = run(serve(says(answer(200, VERSIONS))).url.replace("http:", "https:"))
    assert 1 == code, sentence


def test_a_handshake_that_hangs(serve):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        code, sentence = run("https://127.0.0.1:%d/" % listener.getsockname()[1], timeout="1")
    assert (1, True) == (code, "hangs" in sentence), sentence


# Services by name, tokens

def by_path(**answers):
    """Answers by path ('_' for '/'); 404 elsewhere."""
    def behave(server, one):
        one.sendall(answers.get(server.path().partition("?")[0].strip("/").replace("/", "_"), answer(404)))
    return behave


def test_a_service_by_name_with_or_without_healthcheck(serve):
    with_it, without = serve(by_path(healthcheck=answer(200, b"OK"))), serve(says(answer(300, VERSIONS)))
    assert 0 == run("--port", str(with_it.port), "keystone")[0]
    code, sentence = run("--port", str(without.port), "placement")
    assert (0, "Placement (http://127.0.0.1:%d/) answers.\n" % without.port) == (code, sentence)
    assert 0 == run("--port", str(serve(says(answer(200, b"1.0\nlatest"))).port), "nova-metadata")[0]


def test_horizon_behind_its_redirect(serve):
    def behave(server, one):
        one.sendall(answer(200, b"<!DOCTYPE html><html>login") if server.path().startswith("/auth/login") else
                    answer(302, b"", b"Location: /auth/login/?next=/"))
    assert 0 == run("--port", str(serve(behave).port), "horizon")[0]


def test_with_credentials(serve, tmp_path):
    keystone = serve(by_path(v3_auth_tokens=answer(201, TOKEN, b"X-Subject-Token: t0k")))
    glance = serve(by_path(v2_images=answer(200, b"{}"), healthcheck=answer(200, b"OK")))
    path = tmp_path / "openrc"
    path.write_text("export OS_AUTH_URL=%s/v3\nOS_USERNAME=check\nOS_PASSWORD='pa$$word'\nOS_PROJECT_NAME=service\n"
                    % keystone.url)
    path.chmod(0o600)
    words = ["--port", str(glance.port), "--credentials", str(path), "glance"]

    assert (0, "Glance (%s/v2/images?limit=1) answers with a token.\n" % glance.url) == run(*words)
    assert "X-Auth-Token: t0k" in glance.heads[-1]
    keystone.end()
    code, sentence = run(*words)
    assert (0, True) == (code, "was not asked: Keystone" in sentence), sentence
    path.chmod(0o644)
    code, sentence = run(*words)
    assert (0, True) == (code, "chmod o=" in sentence), sentence
    assert "pa$$word" not in sentence


# Resident

@pytest.mark.parametrize("misbehave", [hang, drip_body, reset, endless, says(answer(500))],
                         ids=lambda value: getattr(value, "__name__", None))
def test_resident_it_answers_at_once_whatever_the_service_does(serve, misbehave):
    state = {"behave": says(answer(200, VERSIONS))}
    server = serve(lambda server, one: state["behave"](server, one))
    port = free_port()
    process = subprocess.Popen([CHECK, "--listen", "127.0.0.1:%d" % port, "--timeout", "0.5", server.url],
                               stdin=subprocess.DEVNULL)

    def status(path="/"):
        got = exchange(port, b"GET %s HTTP/1.0\r\n\r\n" % path.encode(), timeout=5)
        return int(got.split()[1]) if got else None

    try:
        until(lambda: status() == 200, 20, "200")
        state["behave"] = misbehave
        until(lambda: status() == 503, 20, "503")
        assert 200 == status("/status") == status("/metrics")
        state["behave"] = says(answer(200, VERSIONS))
        until(lambda: status() == 200, 20, "200 again")
    finally:
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(20)


def test_resident_leaves_nothing_behind(serve):
    """Checks that timed out must not pile up as threads and connections."""
    server = serve(drip_body)
    port = free_port()
    process = subprocess.Popen([CHECK, "--listen", "127.0.0.1:%d" % port, "--timeout", "0.1", server.url],
                               stdin=subprocess.DEVNULL)
    try:
        until(lambda: len(server.heads) >= 6, 30, "six checks")
        until(lambda: len(os.listdir("/proc/%d/task" % process.pid)) <= 3, 10, "the end of the threads of old checks")
        until(lambda: len(os.listdir("/proc/%d/fd" % process.pid)) <= 15, 10, "the end of their connections")
    finally:
        process.terminate()
        assert 0 == process.wait(20)
