"""`runtime chat`: which model to talk to, and with which instructions."""

from __future__ import annotations

import functools
import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

import attrs
import click
import trio

from actors import AgentOptions, open_agent
from actors.memory import Semantic, open_memory
from actors.providers import Model

from ._conversation import converse
from ._tools import WRITTEN, tools_named

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from actors.agents import AgentHandle
    from actors.tools import AnyTool

DEFAULT_MODEL: Final = "local:smollm2"
ADDRESS_VARIABLE: Final = "OPENAI_COMPATIBLE_BASE_URL"
COMPATIBLE: Final = "openai-compatible"
PATIENCE: Final = 5.0  # seconds for a recall: a person has more of it than a service


def check_address(
    _context: click.Context, _parameter: click.Parameter, url: str | None
) -> str | None:
    """Refuse what is no http address; says nothing of the address, which may hold a password."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        valid = False
    if not valid:
        raise click.BadParameter("not an http address; write one as in http://127.0.0.1:8080/v1")
    return url


def model_at(model: str | None, base_url: str | None) -> str | Model:
    """The model that the arguments mean; a bare name at an address speaks OpenAI's protocol."""
    if base_url is None:
        if (model or "").startswith(f"{COMPATIBLE}:") and not os.environ.get(ADDRESS_VARIABLE):
            raise click.UsageError(f"{model} needs an address: add --base-url http://HOST:PORT/v1")
        return DEFAULT_MODEL if model is None else model
    if model is None:
        raise click.UsageError("an address needs a model: runtime chat NAME --base-url ADDRESS")
    return Model(model if ":" in model else f"{COMPATIBLE}:{model}", base_url=base_url)


def options_for(
    journal: str | None, conversation: str | None, style: Literal["tools", "react"] = "tools"
) -> AgentOptions:
    """How tools are called, and where the conversation is kept: in memory if nowhere."""
    if conversation is not None and journal is None:
        raise click.UsageError("a conversation is kept in a file: add --journal FILE")
    if journal == "" or conversation == "":
        raise click.UsageError("a journal and a conversation have names, which are not empty")
    return AgentOptions(conversation=conversation or "main", journal=journal, style=style)


@attrs.frozen
class Remembering:
    """A memory that an agent has beside its conversation: its folder, and its embedder."""

    folder: str
    embedder: str


def remembering(folder: str | None, embedder: str | None) -> Remembering | None:
    """The memory that the arguments mean."""
    if folder is None and embedder is not None:
        raise click.UsageError("an embedder is that of a memory: add --memory FOLDER")
    if folder == "":
        raise click.UsageError("a memory lives in a folder, whose name is not empty")
    return None if folder is None else Remembering(folder, embedder or "minilm")


@asynccontextmanager
async def open_chat(
    model: str | Model,
    tools: list[AnyTool],
    instructions: str | None,
    options: AgentOptions,
    remembering: Remembering | None,
) -> AsyncGenerator[AgentHandle]:
    """Open the agent that is talked to, and its memory before it; in one system."""
    system = None
    async with AsyncExitStack() as stack:
        if remembering is not None:
            memory = await stack.enter_async_context(
                open_memory(remembering.folder, embedder=remembering.embedder)
            )
            with trio.move_on_after(PATIENCE):
                await memory.settled()
            options = attrs.evolve(options, memory=Semantic(memory, seconds=PATIENCE))
            system = memory.system
        yield await stack.enter_async_context(
            open_agent(
                model, tools=tools, instructions=instructions, options=options, system=system
            )
        )


@click.command(name="chat")
@click.argument("model", required=False)
@click.option(
    "--base-url",
    metavar="URL",
    callback=check_address,
    help="A server that speaks OpenAI's protocol, with MODEL as its name for the model.",
)
@click.option("--instructions", metavar="TEXT", help="What the model is told before everything.")
@click.option(
    "--tool",
    "tools",
    metavar="NAME",
    multiple=True,
    help=f"What the model may use; several may be given: {WRITTEN}.",
)
@click.option("--yes", is_flag=True, help="Run tools that change something without asking.")
@click.option(
    "--style",
    type=click.Choice(["tools", "react"]),
    default="tools",
    show_default=True,
    help="react is for a model that cannot call tools by itself.",
)
@click.option(
    "--journal",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Keep what is said in FILE, and go on with what is there.",
)
@click.option(
    "--conversation", metavar="ID", help="Which of FILE's conversations; main if not given."
)
@click.option(
    "--memory",
    metavar="FOLDER",
    type=click.Path(file_okay=False),
    help="Recall what fits from the memory in FOLDER, and keep there what is said.",
)
@click.option("--embedder", metavar="NAME", help="That of the memory; minilm if not given.")
def command(model: str | None, base_url: str | None, **given: Any) -> int:
    """Talk to MODEL, by default local:smollm2 (fetch it with: runtime pull smollm2).

    A message is a line. Ctrl-C stops the answer; Ctrl-C at the prompt, Ctrl-D or /quit leave.
    /help lists the commands. Line editing is the terminal's own.

    Before a tool changes something (files, shell) you are asked; in a pipe it does not run.
    """
    agent = open_chat(
        model_at(model, base_url),
        tools_named(given["tools"], ask=not given["yes"]),
        given["instructions"],
        options_for(given["journal"], given["conversation"], given["style"]),
        remembering(given["memory"], given["embedder"]),
    )
    greeting = f"{model or DEFAULT_MODEL} - /help lists the commands, Ctrl-C stops an answer"
    return trio.run(functools.partial(converse, agent, greeting))
