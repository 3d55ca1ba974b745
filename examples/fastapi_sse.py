"""A FastAPI endpoint that streams an agent's run as server-sent events.

A client that leaves interrupts the run. As a program, this serves itself and shows both, with a
real model after `python examples/fastapi_sse.py local:smollm2`; as a service:
`uvicorn fastapi_sse:app`. Needs `pip install fastapi uvicorn`.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.types import Send

from actors import AgentOptions
from actors.asyncio import AsyncioRun, open_agent
from actors.chat import Settings
from actors.providers import Model, pause, say, script
from runtime import RuntimeFault
from runtime.bridge import AsyncioBridge, open_asyncio_bridge

STORY = "Once a ship left its harbour under a clear sky. Then the wind turned."
TELLS = script(*(step for word in STORY.split() for step in (pause(0.02), say(f"{word} "))))
SCRIPTED = Model("scripted:teller", script=TELLS)
BRIEF = AgentOptions(settings=Settings(max_tokens=60))  # a small model may never stop


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """One bridge for the service; it ends with the service, and all runs with it."""
    async with open_asyncio_bridge() as bridge:
        app.state.bridge = bridge
        yield


app = FastAPI(lifespan=lifespan)
app.state.model = SCRIPTED  # name one: "openai:gpt-4o-mini"


@app.get("/ask")
async def ask(request: Request, text: str) -> StreamingResponse:
    """Answer with a stream of events."""
    return RunAsEvents(request.app.state.bridge, request.app.state.model, text)


class RunAsEvents(StreamingResponse):
    """The blocks are in the task that sends: if the client leaves, both are cancelled at once.

    A generator, which is given to the response, could be left standing with its blocks open.
    """

    media_type = "text/event-stream"

    def __init__(self, bridge: AsyncioBridge, model: str | Model, text: str) -> None:
        super().__init__(iter(()), headers={"cache-control": "no-cache"})
        self.bridge = bridge
        self.model = model
        self.text = text

    async def stream_response(self, send: Send) -> None:
        """Send the head, then each event as soon as it is there."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with (
            open_agent(self.model, options=BRIEF, bridge=self.bridge) as agent,
            agent.stream(self.text) as run,
        ):
            try:
                await self.send_events(run, send)
            except RuntimeFault as fault:  # too late for a status: it is the last event
                await send(body(type="error", content=str(fault)))
            finally:
                print(f"  the service: {run.response.text!r}, {len(run.response.chunks)} words")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send_events(self, run: AsyncioRun, send: Send) -> None:
        """Nothing is read ahead: a client that is slow makes the model wait."""
        async for event in run:
            await send(body(type=event.type, content=event.content))


def body(**data: str) -> dict[str, object]:
    """A piece of the answer, framed as a server-sent event."""
    frame = f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"
    return {"type": "http.response.body", "body": frame.encode(), "more_body": True}


async def read(port: int, *, words: int | None = None) -> None:
    """A client; it hangs up after so many words."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = "/ask?text=Tell+me+a+story"
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    heard = 0
    async for line in reader:
        if line.startswith(b"data: "):
            event = json.loads(line.removeprefix(b"data: "))
            heard += event["type"] == "token"
            print(f"  {event['type']:9} {event['content']}")
        if heard == words:
            break
    writer.close()
    await writer.wait_closed()


async def main(model: str | Model) -> None:
    """Serve, ask twice, and stop."""
    app.state.model = model
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    print("a client that listens to the end:")
    await read(port)
    print("a client that leaves after three words:")
    await read(port, words=3)
    await asyncio.sleep(0.1)  # for the service to say what it has done
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if sys.argv[1:] else SCRIPTED))
