"""Tools from the box: a page is fetched, noted in a file, counted by a program, and no more."""

import tempfile

import trio

from actors import open_agent
from actors.chat import ToolEnd
from actors.providers import Model, Script, call, say, script
from actors.tools import calculator, clock_tools, fetch_tool, file_tools, shell_tool

PAGE = b"""<html><title>Harbour</title><script>track()</script>
<h1>Tides</h1><p>High water: <b>14:20</b>, <a href="/more">4.1 m</a>.</html>"""
HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n"


def answers(port: int) -> tuple[Script, ...]:
    """What the scripted model does; a real one would find its own way."""
    return (
        script(
            call("fetch", url=f"http://127.0.0.1:{port}/"),
            call("fetch", url="http://169.254.169.254/keys"),
        ),
        script(
            call("write_file", path="notes/tides.md", text="High water: 14:20\n"),
            call("calculator", expression="4.1 * 3.281"),
            call("shift_time", start="2026-02-27T14:20", hours=12.4),
        ),
        script(
            call("edit_file", path="notes/tides.md", old="14:20", new="14:20, 4.1 m"),
            call("read_file", path="../passwords.txt"),
            call("run_command", command=["wc", "-l", "notes/tides.md"]),
            call("run_command", command=["rm", "-r", "notes"]),
        ),
        script(say("The tides are in notes/tides.md.")),
    )


async def serve(stream: trio.SocketStream) -> None:
    """A web server in three lines, so that the example needs no network."""
    await stream.receive_some()
    await stream.send_all(HEAD.format(len(PAGE)).encode() + PAGE)
    await stream.aclose()


async def work(folder: str, port: int) -> None:
    """Give an agent one folder, one web site and two programs."""
    loopback = "127.0.0.1"
    tools = [
        calculator,
        *clock_tools(zone="Europe/Lisbon"),
        *file_tools(folder, write=True),
        shell_tool(folder, allowed=["ls", "wc"]),
        fetch_tool(hosts=[loopback], allow_private=True),
    ]
    model = Model("scripted:harbour master", script=answers(port))
    async with open_agent(model, tools=tools) as agent, agent.stream("Note the tides.") as run:
        async for event in run:
            if isinstance(event, ToolEnd):
                told = " / ".join(event.content.split("\n")).replace(str(port), "PORT")
                print(f"{event.result.status:5} {event.result.name}: {told}")
    print(run.response.text)


async def main() -> None:
    """Serve the page, and let the agent work in a folder that goes away."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        with tempfile.TemporaryDirectory() as folder:
            await work(folder, listeners[0].socket.getsockname()[1])
        nursery.cancel_scope.cancel()


trio.run(main)
