"""`runtime chat`: which model to talk to, and with which instructions."""

from __future__ import annotations

import functools
import os
from typing import Final
from urllib.parse import urlsplit

import click
import trio

from actors import AgentOptions, open_agent
from actors.providers import Model

from ._conversation import converse

DEFAULT_MODEL: Final = "local:smollm2"
ADDRESS_VARIABLE: Final = "OPENAI_COMPATIBLE_BASE_URL"
COMPATIBLE: Final = "openai-compatible"


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
        return model or DEFAULT_MODEL
    if model is None:
        raise click.UsageError("an address needs a model: runtime chat NAME --base-url ADDRESS")
    return Model(model if ":" in model else f"{COMPATIBLE}:{model}", base_url=base_url)


def options_for(journal: str | None, conversation: str | None) -> AgentOptions:
    """Where the conversation is kept; in memory unless a file is named."""
    if conversation is not None and journal is None:
        raise click.UsageError("a conversation is kept in a file: add --journal FILE")
    if journal == "" or conversation == "":
        raise click.UsageError("a journal and a conversation have names, which are not empty")
    return AgentOptions(conversation=conversation or "main", journal=journal)


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
    "--journal",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Keep what is said in FILE, and go on with what is there.",
)
@click.option(
    "--conversation", metavar="ID", help="Which of FILE's conversations; main if not given."
)
def command(
    model: str | None,
    base_url: str | None,
    instructions: str | None,
    journal: str | None,
    conversation: str | None,
) -> int:
    """Talk to MODEL, by default local:smollm2 (fetch it with: runtime pull smollm2).

    A message is a line. Ctrl-C stops the answer; Ctrl-C at the prompt, Ctrl-D or /quit leave.
    /help lists the commands. Line editing is the terminal's own.
    """
    chosen = model_at(model, base_url)
    options = options_for(journal, conversation)
    agent = open_agent(chosen, instructions=instructions, options=options)
    greeting = f"{model or DEFAULT_MODEL} - /help lists the commands, Ctrl-C stops an answer"
    return trio.run(functools.partial(converse, agent, greeting))
