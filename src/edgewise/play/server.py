"""The transport of a session: a page and a WebSocket, for this machine and whoever knows the token alone."""

import asyncio
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from edgewise.errors import DataError, EdgewiseError
from edgewise.play import messages, page
from edgewise.play.session import Session
from edgewise.view import machine

LOOPBACK = "127.0.0.1"
UPDATES_PER_SECOND = 10
"""At most, to each page."""
MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 100, 100
MAX_PAGES = 8
POLICY_VIOLATED, TRY_AGAIN_LATER = 1008, 1013
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def application(session: Session, *, token: str, port: int) -> ASGIApp:
    """What answers requests to this port; every path begins with the token."""
    shown = _Shown(session)
    pages: set[WebSocket] = set()

    async def show(request: Request) -> HTMLResponse:
        text = await run_in_threadpool(page.html, shown.data(), port)
        return HTMLResponse(text, headers=HEADERS)

    async def talk(websocket: WebSocket) -> None:
        if len(pages) >= MAX_PAGES:
            await websocket.close(TRY_AGAIN_LATER, "too many pages are open")
            return
        pages.add(websocket)
        try:
            await _Conversation(session, shown, websocket).run()
        finally:
            pages.discard(websocket)

    routes = [Route("/{token}/", show, methods=["GET"]), WebSocketRoute("/{token}/socket", talk)]
    return _Guard(Starlette(routes=routes), token, port)


@contextmanager
def serving(session: Session, *, port: int = 0) -> Iterator[str]:
    """Serve the session in a thread until the block ends; gives the page's address, which holds a new token.

    port : 0 takes one that is free. DataError if it cannot be had.
    """
    token = secrets.token_urlsafe(32)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            raise DataError(f"port {port} cannot be had ({error}); choose another, or 0 for any that is free") from None
        port = listener.getsockname()[1]
        server = uvicorn.Server(
            uvicorn.Config(
                application(session, token=token, port=port),
                log_level="error",
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="websockets-sansio",
                ws_max_size=messages.MAX_BYTES,
                limit_concurrency=64,
                timeout_graceful_shutdown=1,
            )
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="edgewise-play-server")
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.005)
            yield f"http://{LOOPBACK}:{port}/{token}/"
        finally:
            server.should_exit = True
            thread.join()
            session.close()


class _Guard:
    """Lets nobody in who does not know the token, or comes from another page or under another name."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token.encode()
        self._hosts = {f"{name}:{port}" for name in (LOOPBACK, "localhost")}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None if scope["type"] == "lifespan" else self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATED, "reason": refusal})
        else:
            await PlainTextResponse(f"edgewise: {refusal}\n", 403, HEADERS)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        if headers.getlist("host") == [] or not set(headers.getlist("host")) <= self._hosts:
            return "this address is not the one that was printed"  # a name that leads here after all: DNS rebinding
        origins = headers.getlist("origin")
        if not set(origins) <= self._origins or (scope["type"] == "websocket" and not origins):
            return "another page may not ask"
        first = scope["path"].encode("utf-8", "surrogatepass").split(b"/")[1:2]
        if not secrets.compare_digest(first[0] if first else b"", self._token):
            return "the token is missing or wrong; open the address that was printed"
        return None


class _Shown:
    """What pages are sent, made once for each version."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._made: tuple[int, dict[str, Any], str] = (-1, {}, "")

    def _of_now(self) -> tuple[int, dict[str, Any], str]:
        with self._lock:
            version = self._session.version  # before the state, which may be newer and is then sent again
            if version != self._made[0]:
                data = page.data(*self._session.state())
                self._made = version, data, machine.as_json({"data": data}, indent=None)
            return self._made

    def data(self) -> dict[str, Any]:
        return self._of_now()[1]

    def text(self) -> str:
        return self._of_now()[2]


@dataclass(slots=True)
class Allowance:
    """So many messages at once, and so many more each second; what comes beyond that is owed."""

    at_once: int = MESSAGES_AT_ONCE
    per_second: float = MESSAGES_PER_SECOND
    clock: Callable[[], float] = time.monotonic
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at = self.at_once, self.clock()

    def take(self) -> bool:
        """Whether there was one left to take."""
        now = self.clock()
        self._left, self._at = min(self.at_once, self._left + (now - self._at) * self.per_second), now
        self._left -= 1
        return self._left >= 0

    @property
    def overdrawn(self) -> bool:
        """Whether more is owed than may be taken at once: this is no slow page, but a flood."""
        return self._left < -self.at_once


class _Conversation:
    """One page: what it asks is answered, and what changes it is told."""

    def __init__(self, session: Session, shown: _Shown, websocket: WebSocket) -> None:
        self._session, self._shown, self._websocket = session, shown, websocket
        self._changed = asyncio.Event()
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        await self._websocket.accept()
        loop = asyncio.get_running_loop()
        stop = self._session.listen(lambda: loop.call_soon_threadsafe(self._changed.set))
        self._changed.set()
        telling = asyncio.create_task(self._tell())
        try:
            await self._hear()
        finally:
            stop()
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _tell(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._send(await run_in_threadpool(self._shown.text))
            await asyncio.sleep(1 / UPDATES_PER_SECOND)

    async def _hear(self) -> None:
        allowance = Allowance()
        while (message := await self._websocket.receive())["type"] == "websocket.receive":
            if allowance.take():
                answer = await run_in_threadpool(self._answer, message)
            elif allowance.overdrawn:
                await self._websocket.close(POLICY_VIOLATED, "too many messages")
                return
            else:
                answer = {"error": f"too many messages; at most {MESSAGES_PER_SECOND} a second are read"}
            await self._send(machine.as_json({"reply": answer}, indent=None))

    def _answer(self, message: Any) -> dict[str, Any]:
        number = None
        try:
            if message.get("text") is None:
                raise DataError("a message is text, not bytes")
            request = messages.read(message["text"])
            number = request.id
            return {"id": number, "error": None} | request.perform(self._session)
        except EdgewiseError as error:
            return {"id": number, "error": str(error)}

    async def _send(self, text: str) -> None:
        async with self._sending:
            with suppress(WebSocketDisconnect):  # of which whoever hears is told as well
                await self._websocket.send_text(text)
