"""Who may ask for what: the name that is addressed, the token, where a form was sent from; and the answer's headers.

A page elsewhere must not be able to read or do anything here, though it runs in the browser of somebody who may: it
would have to address this server by a name that is not among `hosts`, or send a form from another origin.
"""

from __future__ import annotations

import hmac
import secrets
import traceback
from collections.abc import Callable, Sequence
from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src 'self'; form-action 'none'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
"""Of reports: their style and pictures are inside, and nothing runs."""
VIDEO_POLICY = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Of a video: the browser's own player, which plays nothing in a sandbox, and nothing else."""
FILE_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""Of anything else that was uploaded."""
OPEN_TO_ALL = "/static/"
"""Style and script hold nothing of anybody: the page that refuses needs them."""
BODY_ENDED = "poseauth.body_ended"
"""Entry of a request's scope: there when its body was read to its end."""
_TOKEN = "token"
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}

Refuse = Callable[[Request, int, str], Response]
"""Makes a page of a status and words."""


class Access:
    """Lets through who may; every answer gets its headers here.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    token : str
        What the address that was printed has.
    hosts : sequence of str
        Names by which the server may be addressed.
    refuse : callable
        Makes the page that says no.
    cookie : str
        The cookie's name: servers on one machine share their cookies, and must not share this one.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: Sequence[str], refuse: Refuse, cookie: str) -> None:
        self._app, self._refuse, self._cookie = app, refuse, cookie
        self._token, self._session = token.encode(), secrets.token_urlsafe(32).encode()
        self._hosts = {host.casefold() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("content-security-policy", PAGE_POLICY)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        async def receive_and_notice() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                scope[BODY_ENDED] = True
            return message

        request = Request(scope, receive_and_notice)
        answer: ASGIApp = self._check(request) or self._app
        try:
            await answer(scope, receive_and_notice, send_with_headers)
        except Exception:
            traceback.print_exc()
            if has_begun:
                raise
            words = "The server made a mistake. What it was is told where the server runs."
            await self._refuse(request, 500, words)(scope, receive_and_notice, send_with_headers)

    def _check(self, request: Request) -> Response | None:
        """What stands against a request; None where nothing does."""
        if not self._is_addressed_rightly(request.headers):
            return self._refuse(
                request,
                403,
                f"This server is not called {request.headers.get('host', '')!r}. Open the address that poseauth serve "
                "printed, or have it started with --allow-host and that name.",
            )
        if request.method not in ("GET", "HEAD", "POST"):
            return self._refuse(request, 405, f"Nothing here is done with {request.method}.")
        if request.url.path.startswith(OPEN_TO_ALL):
            return None
        if request.method == "POST" and not is_from_here(request.headers):
            return self._refuse(
                request,
                403,
                "This form was not sent from a page of this server, or the browser does not say so. Open the page "
                "again and send it from there; from another machine over https.",
            )
        told = request.query_params.get(_TOKEN)
        if told is not None and request.method == "GET" and _are_same(told, self._token):
            return self._exchange(request)
        if not self._has_session(request):
            return self._refuse(
                request,
                403,
                "Open the address with the token that poseauth serve printed when it started. After a restart there "
                "is a new one. If you came here by a link from another page, open this page once more.",
            )
        return None

    def _is_addressed_rightly(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        return len(hosts) == 1 and host_name(hosts[0]) in self._hosts

    def _exchange(self, request: Request) -> Response:
        """The token for a cookie, and an address without it."""
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != _TOKEN]
        # One slash: an address that begins with two would lead elsewhere.
        place = "/" + request.url.path.lstrip("/")
        answer = RedirectResponse(place + (f"?{urlencode(kept)}" if kept else ""), status_code=303)
        answer.set_cookie(
            self._cookie,
            self._session.decode(),
            httponly=True,
            samesite="strict",
            secure=request.headers.get("x-forwarded-proto") == "https",
        )
        return answer

    def _has_session(self, request: Request) -> bool:
        return _are_same(request.cookies.get(self._cookie, ""), self._session)


def host_name(host: str) -> str:
    """The name in a Host header, without its port; "" where there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "") if "@" not in host else ""
    except ValueError:
        return ""


def is_from_here(headers: Headers) -> bool:
    """Whether a form was sent from a page of this server.

    A page that sends no referrer sends its forms with `Origin: null`; the browser then says in Sec-Fetch-Site whether
    it was one of this server's.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    if origin is not None and origin != "null":
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.casefold() == headers.get("host", "").casefold()
    return site == "same-origin"


def _are_same(told: str, known: bytes) -> bool:
    return hmac.compare_digest(told.encode("utf-8", "replace"), known)
