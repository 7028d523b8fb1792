"""Checks of each HTTP request and WebSocket handshake of the page.

A web page of another site may send requests to the loopback, too. It cannot choose the headers
`Host` and `Origin`: `Host` differs after DNS rebinding, and `Origin` names the other site.
"""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request, Response

TOKEN_BYTES = 24
HTTP_PORT = 80
QUERY = "token"
# No other site may show the page in a frame and have the user click on it.
PROTECTION = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
ENTRANCE = b'<!doctype html><meta http-equiv="refresh" content="0;url=/"><a href="/">continue</a>'


@dataclass
class Gate:
    """Rules for requests.

    Attributes:
        names: Names and addresses of the page that `Host` may contain, without a port.
        token: Required token; empty for none.
        port: Port of the page; 0 refuses all requests.
        refused: Number of refused requests.
    """

    names: frozenset[str]
    token: str = ""
    port: int = 0
    refused: int = field(default=0, init=False)

    @classmethod
    def of(cls, host: str, on_loopback: bool, names: Iterable[str]) -> "Gate":
        """Return the gate of a page, with a new token unless only this computer reaches it.

        Args:
            host: Address on which the page listens.
            on_loopback: Whether it is one of the loopback.
            names: Further names and addresses.
        """
        own = {"127.0.0.1", "localhost", "::1"} if on_loopback else set()
        token = "" if on_loopback else secrets.token_urlsafe(TOKEN_BYTES)
        return cls(frozenset({*own, host.lower(), *(name.lower() for name in names)}), token)

    @property
    def cookie(self) -> str:
        """Name of the cookie; browsers send cookies to every port of a host."""
        return f"dbp_panel_{self.port}"

    def check(self, request: Request, local_address: str) -> Response | None:
        """Return the response to a request that must not reach the page, None for one that may.

        Args:
            request: The request.
            local_address: IP address to which it was sent.
        """
        try:
            problem = self._problem(request.headers, local_address)
            given = parse_qs(urlsplit(request.path).query).get(QUERY, [])
            if not problem and self.token and len(given) == 1 and self._matches(given[0]):
                return self._entrance()
            if not problem and self.token and not self._has_cookie(request.headers):
                problem = "a token is required: open the address that dbp panel printed"
        except (MultipleValuesError, ValueError, CookieError) as error:
            problem = f"a header or the address is malformed: {error}"
        if not problem:
            return None
        self.refused += 1
        return _response(HTTPStatus.FORBIDDEN, f"refused: {problem}\n".encode())

    def _problem(self, headers: Headers, local_address: str) -> str:
        host = headers.get("Host", "").lower()
        parts = urlsplit(f"//{host}")
        port = parts.port or HTTP_PORT
        known = parts.hostname is not None and (
            parts.hostname in self.names or parts.hostname == local_address
        )
        if not known or port != self.port or not self.port:
            return (
                f"the host is {host!r}, expected {' or '.join(sorted(self.names))} and port "
                f"{self.port}; see host_names in panel.yaml"
            )
        if "Upgrade" in headers and headers.get("Origin", "").lower() != f"http://{host}":
            return f"the origin is {headers.get('Origin')!r}, expected 'http://{host}'"
        return ""

    def _has_cookie(self, headers: Headers) -> bool:
        cookie = SimpleCookie(headers.get("Cookie", ""))
        return self.cookie in cookie and self._matches(cookie[self.cookie].value)

    def _matches(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())

    def _entrance(self) -> Response:
        """Return a page that stores the token and leads to the page without it in the address."""
        response = _response(HTTPStatus.OK, ENTRANCE, "text/html; charset=utf-8")
        attributes = "Path=/; HttpOnly; SameSite=Strict"
        response.headers["Set-Cookie"] = f"{self.cookie}={self.token}; {attributes}"
        return response


def _response(status: HTTPStatus, body: bytes, kind: str = "text/plain; charset=utf-8") -> Response:
    headers = Headers({"Content-Type": kind, "Content-Length": str(len(body)), **PROTECTION})
    return Response(status.value, status.phrase, headers, body)
