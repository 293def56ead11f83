"""Addresses and the file names in them are taken apart without trusting them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Refusal
from engine.library.download.address import (
    LONGEST_NAME_BYTES,
    checked_address,
    is_loopback,
    name_from_address,
    name_from_disposition,
    redirected,
    safe_name,
)


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("aria.zip", "aria.zip"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.pth", "boot.pth"),
        ("..", ""),
        (".hidden.zip", "hidden.zip"),
        ("a\x00b\nc.pth", "ab c.pth"),
        ("evil\u202egpj.pth", "evilgpj.pth"),
        ('what?<is>:"this"|*.zip', "what__is___this___.zip"),
        ("  Ārija 声 .pth ", "Ārija 声.pth"),
        ("e\u0301.zip", "é.zip"),
        ("a" * 300 + ".zip", "a" * 196 + ".zip"),
        ("声" * 100 + ".index", "声" * 64 + ".index"),
        ("no ending." + "x" * 30, "no ending." + "x" * 30),
        ("", ""),
    ],
)
def test_names_become_safe(raw: str, safe: str) -> None:
    assert safe_name(raw) == safe


@given(st.text())
def test_no_name_leaves_its_folder_or_is_too_long(raw: str) -> None:
    name = safe_name(raw)
    assert not set(name) & set('/\\:\0\n"<>|?*')
    assert not name.startswith(".")
    assert len(name.encode()) <= LONGEST_NAME_BYTES
    assert safe_name(name) == name


@given(st.text())
def test_no_header_breaks_the_reading_of_a_file_name(raw: str) -> None:
    name = name_from_disposition(f"attachment; filename*={raw}")
    assert "/" not in name
    assert "/" not in name_from_disposition(raw)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="aria.zip"', "aria.zip"),
        ("inline; filename*=UTF-8''%E5%A3%B0.pth; filename=\"x.pth\";", "声.pth"),
        ('attachment; filename="/etc/passwd"', "passwd"),
        ("attachment", ""),
        (None, ""),
    ],
)
def test_the_server_may_name_the_file(header: str | None, name: str) -> None:
    assert name_from_disposition(header) == name


def test_the_name_in_an_address_is_decoded_before_it_is_made_safe() -> None:
    assert name_from_address("https://a.example/x/My%20Voice.zip?download=true") == "My Voice.zip"
    assert name_from_address("https://a.example/x/..%2F..%2Fb.pth") == "b.pth"
    assert name_from_address("https://a.example/") == ""


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://a.example", "https://a.example/"),
        ("HTTPS://a.example/Ä b?x=ü#top", "https://a.example/%C3%84%20b?x=%C3%BC"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
        ("https://a.example:8443/100%25", "https://a.example:8443/100%25"),
        ("http://127.0.0.1:80/x", "http://127.0.0.1:80/x"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ("https://a.example/x\r\nHost: b", "https://a.example/xHost:%20b"),
    ],
)
def test_addresses_are_spelt_in_ascii(text: str, url: str) -> None:
    assert checked_address(text) == url
    assert checked_address(url) == url


@given(st.text())
def test_any_text_is_an_address_in_ascii_or_refused(text: str) -> None:
    for prefix in ("", "https://", "https://a.example/", "http://localhost"):
        try:
            url = checked_address(prefix + text)
        except Refusal:
            continue
        assert url.isascii()
        assert url.isprintable()
        assert " " not in url
        assert url.startswith(("https://", "http://localhost"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST"])
def test_this_machine_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["localhost.example", "127.0.0.1.example", "10.0.0.1", "0x7f.1", "2130706433", ""]
)
def test_what_only_looks_like_this_machine_is_not(host: str) -> None:
    assert not is_loopback(host)


def test_redirects_may_be_relative_and_in_utf8() -> None:
    assert redirected("https://a.example/x/y", "../z") == "https://a.example/z"
    in_utf8 = "/声".encode().decode("latin-1")  # as http.client hands it over
    assert redirected("https://a.example/", in_utf8) == "https://a.example/%E5%A3%B0"
    assert redirected("https://a.example/", "/\xe9") == "https://a.example/%E9"
    assert redirected("http://127.0.0.1/", "https://a.example/") == "https://a.example/"
    with pytest.raises(Refusal):
        redirected("https://127.0.0.1/", "http://127.0.0.1/")
