"""A server that speaks like OpenAI's and Anthropic's, and misbehaves on purpose, on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

GOOD = {
    "user_story": "As a content editor, I want articles kept in one place, so that they are found.",
    "success_criteria": ["It exists.", "It can be saved."],
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request that was received."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """Everything that was sent, as it stands in the body."""
        return json.dumps(self.body, ensure_ascii=False)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What is answered to one question; by default, a good answer in the form that was asked."""

    words: Any = field(default_factory=lambda: GOOD)
    """The structured answer; a text is sent as it is, in the place of JSON."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """In the place of everything else: the body."""
    promised: int | None = None
    """A length for the header that is not that of the body: the connection ends before it."""
    drops: bool = False
    """Close the connection without a word."""
    wait: float = 0.0
    tokens: tuple[int, int] | None = (1000, 100)
    finish: str = "stop"


Answering = Reply | Callable[[Seen], Reply]


@dataclass(kw_only=True)
class ModelStub:
    """What the server answers, in order, and what it was asked; the last answer stays."""

    answers: list[Answering] = field(default_factory=lambda: [Reply()])
    models: tuple[str, ...] = ("gpt-6-luna", "claude-haiku-5-5", "little")
    about: Reply | None = None
    """In the place of what it says of a model."""
    seen: list[Seen] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the first request."""
    port: int = 0
    at_once: int = 0
    most_at_once: int = 0

    @property
    def questions(self) -> list[Seen]:
        """The requests that were for an answer of a model."""
        return [one for one in self.seen if one.method == "POST"]

    def url(self, writer: str = "openai") -> str:
        """The base address for a writer."""
        return f"http://127.0.0.1:{self.port}{'/v1' if writer == 'openai' else ''}"

    def script(self, *answers: Answering) -> None:
        """Answer this, one after another; the last one for ever."""
        self.answers[:] = answers

    def reply_to(self, seen: Seen) -> Reply:
        """The answer that is due."""
        if seen.method == "GET":
            return self.about or self._about(seen.path.rpartition("/")[2])
        due = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return due if isinstance(due, Reply) else due(seen)

    def _about(self, model: str) -> Reply:
        if model not in self.models:
            return refusal(404, "model_not_found")
        described = {"id": model, "object": "model", "created": 1, "owned_by": "us"}
        anthropic = {"type": "model", "display_name": model, "created_at": "2026-01-01T00:00:00Z"}
        return Reply(raw=json.dumps(described | anthropic).encode())


def refusal(status: int, code: str, **headers: str) -> Reply:
    """An error in the form of both interfaces; it repeats the key, as a careless server might."""
    error = {"message": "no: sk-secret-key", "type": code, "code": code, "param": None}
    return Reply(
        status=status,
        headers={name.replace("_", "-"): text for name, text in headers.items()},
        raw=json.dumps({"type": "error", "error": error}).encode(),
    )


@asynccontextmanager
async def serving(stub: ModelStub) -> AsyncIterator[ModelStub]:
    """The stub behind a port of loopback, for the length of the block."""
    open_connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_connections.add(task)
        try:
            while await _one(stub, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            open_connections.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    stub.port = server.sockets[0].getsockname()[1]
    try:
        yield stub
    finally:
        server.close()
        for task in open_connections:
            task.cancel()
        await asyncio.gather(*open_connections, return_exceptions=True)


async def _one(stub: ModelStub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    seen = await _read(reader)
    stub.seen.append(seen)
    stub.asked.set()
    stub.at_once += 1
    stub.most_at_once = max(stub.most_at_once, stub.at_once)
    try:
        reply = stub.reply_to(seen)
        await asyncio.sleep(reply.wait)
    finally:
        stub.at_once -= 1
    if reply.drops:
        return False
    body = _body(seen, reply)
    length = len(body) if reply.promised is None else reply.promised
    headers = {"Content-Type": "application/json", **reply.headers, "Content-Length": str(length)}
    lines = [f"HTTP/1.1 {reply.status} So", *(f"{name}: {text}" for name, text in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    return length == len(body)


async def _read(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split()
    headers = {name.lower(): text for name, text in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(method=method, path=path, headers=headers, body=json.loads(body or b"{}"))


def _body(seen: Seen, reply: Reply) -> bytes:
    if reply.raw is not None:
        return reply.raw
    made = _anthropic if seen.path.endswith("/messages") else _openai
    return json.dumps(made(seen.body, reply)).encode()


def _openai(asked: dict[str, Any], reply: Reply) -> dict[str, Any]:
    words = reply.words if isinstance(reply.words, str) else json.dumps(reply.words)
    message: dict[str, Any] = {"role": "assistant", "content": words}
    if asked.get("tools"):
        function = {"name": asked["tools"][0]["function"]["name"], "arguments": words}
        call = {"id": "call", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    answer: dict[str, Any] = {
        "id": "answer",
        "object": "chat.completion",
        "created": 1,
        "model": asked["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
    }
    if reply.tokens is not None:
        read, written = reply.tokens
        counted = {"prompt_tokens": read, "completion_tokens": written}
        answer["usage"] = counted | {"total_tokens": read + written}
    return answer


def _anthropic(asked: dict[str, Any], reply: Reply) -> dict[str, Any]:
    read, written = reply.tokens or (0, 0)
    content: Sequence[dict[str, Any]]
    if asked.get("tools"):
        name = asked["tools"][0]["name"]
        content = [{"type": "tool_use", "id": "call", "name": name, "input": reply.words}]
    else:
        words = reply.words if isinstance(reply.words, str) else json.dumps(reply.words)
        content = [{"type": "text", "text": words}]
    return {
        "id": "answer",
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "content": content,
        "stop_reason": "max_tokens" if reply.finish == "length" else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": read, "output_tokens": written},
    }
