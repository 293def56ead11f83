"""Protected connections (https): trust, proxies, and never back to unprotected ones."""

from __future__ import annotations

import hashlib
import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.errors import DownloadError
from engine.library.download.connection import Timeouts
from engine.library.download.download import download
from engine.library.download.retry import Pacing
from tests.engine.library.download.http_server import Fault, FaultServer, running_server

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl makes the certificate of the test server"
)
BODY = random.Random(9).randbytes(100_000)
HASH = hashlib.sha256(BODY).hexdigest()
AT_ONCE = Pacing(attempts=2, sleep=lambda _: None)
QUICK = Timeouts(connect_s=3.0, stall_s=3.0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Certificate and key of ``127.0.0.1`` and ``voices.example``, made for this run."""
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "config").write_text(
        "[req]\ndistinguished_name=name\nx509_extensions=more\nprompt=no\n"
        "[name]\nCN=test server\n"
        "[more]\nsubjectAltName=IP:127.0.0.1,DNS:voices.example\nbasicConstraints=CA:TRUE\n"
        "extendedKeyUsage=serverAuth\n"
    )
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-config",
         "config", "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder,
        capture_output=True,
        check=True,
    )  # fmt: skip
    return str(folder / "certificate.pem"), str(folder / "key.pem")


@pytest.fixture
def protected(certificate: tuple[str, str]) -> Iterator[FaultServer]:
    server = FaultServer()
    server.protect(*certificate)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def trusted(certificate: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])


@dataclass
class Proxy:
    """A CONNECT proxy that leads every name to one port of this machine."""

    target_port: int
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    heard: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and (piece := client.recv(4096)):
            head += piece
        self.heard.append(head.decode())
        client.sendall(self.answer)
        if b" 200 " not in self.answer:
            client.close()
            return
        server = socket.create_connection(("127.0.0.1", self.target_port))
        threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
        self._pump(server, client)

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture
def proxy(protected: FaultServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    running = Proxy(protected.port)
    monkeypatch.setenv("https_proxy", f"http://singer:s%40ng@127.0.0.1:{running.port}")
    try:
        yield running
    finally:
        running.stop()


@pytest.mark.usefixtures("trusted")
def test_a_protected_file_arrives_also_in_pieces(protected: FaultServer, tmp_path: Path) -> None:
    protected.faults.extend([Fault(cut=30_000), Fault(cut=30_000, reset=True)])
    download(protected.put(BODY), tmp_path / "file.bin", sha256=HASH, pacing=AT_ONCE_MANY)
    assert (tmp_path / "file.bin").read_bytes() == BODY


AT_ONCE_MANY = Pacing(attempts=5, sleep=lambda _: None)


def test_a_server_with_an_unknown_certificate_is_refused(
    protected: FaultServer, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError) as caught:
        download(protected.put(BODY), tmp_path / "file.bin", pacing=AT_ONCE)
    assert "couldn't verify 127.0.0.1's certificate" in caught.value.why
    assert protected.seen == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("trusted")
def test_a_protected_address_never_leads_to_an_unprotected_one(
    protected: FaultServer, tmp_path: Path
) -> None:
    with running_server() as plain:
        protected.always = Fault(location=plain.put(BODY))
        with pytest.raises(DownloadError) as caught:
            download(protected.url(), tmp_path / "file.bin", pacing=AT_ONCE)
        assert "unencrypted address (http)" in caught.value.why
        assert plain.seen == []


def test_a_server_without_tls_is_an_error(server: FaultServer, tmp_path: Path) -> None:
    url = server.put(BODY).replace("http:", "https:")
    with pytest.raises(DownloadError) as caught:
        download(url, tmp_path / "file.bin", pacing=AT_ONCE, timeouts=QUICK)
    assert "no secure connection" in caught.value.why


@pytest.mark.usefixtures("trusted")
def test_the_proxy_of_the_environment_is_used_with_its_log_in(
    protected: FaultServer, proxy: Proxy, tmp_path: Path
) -> None:
    protected.put(BODY)
    download("https://voices.example/file.bin", tmp_path / "file.bin", sha256=HASH, pacing=AT_ONCE)
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert proxy.heard[0].startswith("CONNECT voices.example:443 ")
    assert "roxy-authorization: Basic c2luZ2VyOnNAbmc=" in proxy.heard[0]
    assert "Authorization" not in protected.seen[0].headers
    assert protected.seen[0].headers["Host"] == "voices.example"


@pytest.mark.usefixtures("trusted")
def test_this_machine_is_never_reached_through_a_proxy(
    protected: FaultServer, proxy: Proxy, tmp_path: Path
) -> None:
    download(protected.put(BODY), tmp_path / "file.bin", pacing=AT_ONCE)
    assert proxy.heard == []


def test_a_refusing_proxy_is_an_error(proxy: Proxy, tmp_path: Path) -> None:
    proxy.answer = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    with pytest.raises(DownloadError) as caught:
        download("https://voices.example/file.bin", tmp_path / "file.bin", pacing=AT_ONCE)
    assert "the proxy refuses a connection to voices.example" in caught.value.why
    assert "407" in caught.value.why


@pytest.mark.parametrize("named", ["socks5://127.0.0.1:1", "https://127.0.0.1:1", "http://a:b:c"])
def test_unsupported_proxies_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("https_proxy", named)
    with pytest.raises(DownloadError) as caught:
        download("https://voices.example/file.bin", tmp_path / "file.bin", pacing=AT_ONCE)
    assert "proxy" in caught.value.why
    assert "https_proxy" in caught.value.advice
