"""The gate lets only the page's own requests through, over real sockets."""

import gzip
import http.client
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from raw_browser import RawBrowser
from websockets.exceptions import InvalidStatus

from dbp_ros.errors import ConfigError
from dbp_ros.panel.gate import Gate
from dbp_ros.panel.server import address_of, start_server
from dbp_ros.panel.stop_key import SCRIPT

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def open_gate() -> Iterator[Gate]:
    """A page on the loopback, without a token."""
    gate = Gate.of(HOST, True, ())
    server = start_server(HOST, 0, gate)
    server.gui.add_button("act")
    yield gate
    server.stop()


@pytest.fixture(scope="module")
def token_gate() -> Iterator[Gate]:
    """A page that requires a token."""
    gate = Gate.of(HOST, False, ("robot.example",))
    server = start_server(HOST, 0, gate)
    yield gate
    server.stop()


def get(gate: Gate, path: str = "/", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(HOST, gate.port, timeout=10)
    connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    response.body = response.read()
    return response


def status_of_socket(gate: Gate, **options) -> int:
    try:
        RawBrowser(gate.port, **options).close()
    except InvalidStatus as error:
        return int(error.response.status_code)
    return 101


def test_the_page_is_served_under_its_address(open_gate: Gate) -> None:
    response = get(open_gate)
    assert response.status == 200
    assert b"<html" in response.body[:2000].lower()
    assert get(open_gate, Host=f"localhost:{open_gate.port}").status == 200


def test_other_sites_cannot_show_the_page_in_a_frame(open_gate: Gate) -> None:
    response = get(open_gate)
    assert response.headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("host", ["evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::", ""])
def test_a_wrong_host_is_refused(open_gate: Gate, host: str) -> None:
    response = get(open_gate, Host=host.format(port=open_gate.port))
    assert response.status == 403


def test_a_socket_of_the_page_itself_is_accepted(open_gate: Gate) -> None:
    assert status_of_socket(open_gate) == 101


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1", "https://127.0.0.1:{port}"]
)
def test_a_socket_of_another_site_is_refused(open_gate: Gate, origin: str | None) -> None:
    given = origin and origin.format(port=open_gate.port)
    assert status_of_socket(open_gate, origin=given) == 403


def test_without_a_token_nothing_is_served(token_gate: Gate) -> None:
    assert get(token_gate).status == 403
    assert status_of_socket(token_gate) == 403


@pytest.mark.parametrize("token", ["wrong", "", "\u00e9"])
def test_a_wrong_token_is_refused(token_gate: Gate, token: str) -> None:
    quoted = token.encode().hex() if token.isascii() else "%C3%A9"
    assert get(token_gate, f"/?token={quoted}").status == 403
    assert get(token_gate, Cookie=f"{token_gate.cookie}=wrong").status == 403


def test_the_token_of_the_address_becomes_a_cookie_that_opens_the_page(token_gate: Gate) -> None:
    path = address_of(HOST, token_gate).partition(str(token_gate.port))[2]
    response = get(token_gate, path)
    cookie, _, attributes = response.headers["Set-Cookie"].partition("; ")
    assert response.status == 200
    assert token_gate.token.encode() not in response.body
    assert {"HttpOnly", "SameSite=Strict"} <= set(attributes.split("; "))
    assert get(token_gate, Cookie=cookie).status == 200
    assert status_of_socket(token_gate, additional_headers={"Cookie": cookie}) == 101
    other = {"additional_headers": {"Cookie": cookie}, "origin": "http://evil.example"}
    assert status_of_socket(token_gate, **other) == 403


def test_a_page_on_all_interfaces_needs_a_new_token_each_time() -> None:
    first, second = (Gate.of("0.0.0.0", False, ()) for _ in range(2))
    assert len(first.token) >= 32
    assert first.token != second.token


@pytest.mark.parametrize(("host", "version"), [("0.0.0.0", 4), ("::", 6)])
def test_the_address_of_a_page_on_all_interfaces_is_one_of_its_family(
    host: str, version: int
) -> None:
    shown = urlsplit(address_of(host, Gate.of(host, False, ()))).hostname
    assert ip_address(shown or "").version == version


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_page_contains_the_script_of_the_space_bar(open_gate: Gate, encoding: str) -> None:
    response = get(open_gate, Accept_Encoding=encoding)
    assert response.headers["Content-Encoding"] == encoding
    page = gzip.decompress(response.body) if encoding == "gzip" else response.body
    assert page.count(SCRIPT) == 1
    assert page.index(SCRIPT) < page.index(b"<body")


def test_a_port_in_use_is_an_error(open_gate: Gate) -> None:
    with pytest.raises(ConfigError, match="choose another port"):
        start_server(HOST, open_gate.port, Gate.of(HOST, True, ()))
