"""A click program that prints an answer as it comes: no loop, no `await`.

`python click_program.py "A line about the sea" --model openai:gpt-4o-mini`. A Ctrl-C interrupts
the run, and the program says what it has.
"""

import click

from actors.blocking import open_agent
from actors.chat import Token, ToolStart
from actors.providers import Model, call, pause, say, script

WORDS = "The two of them make 372 lines."
ANSWERS = (
    script(call("multiply", a=12, b=31)),
    script(*(step for word in WORDS.split() for step in (pause(0.01), say(f"{word} ")))),
)
SCRIPTED = "scripted:clerk"


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


@click.command()
@click.argument("question", default="Twelve poems of 31 lines: how many is that?")
@click.option("--model", default=SCRIPTED, show_default=True, help="provider:model")
def main(question: str, model: str) -> None:
    """Ask QUESTION."""
    chosen = Model(SCRIPTED, script=ANSWERS) if model == SCRIPTED else model
    with open_agent(chosen, tools=[multiply]) as agent, agent.stream(question) as run:
        try:
            for event in run:
                if isinstance(event, Token):
                    click.echo(event.content, nl=False)
                elif isinstance(event, ToolStart):
                    click.echo(f"[{event.call.name} {event.call.arguments}]")
        except KeyboardInterrupt:
            click.echo(f"\n[interrupted after {len(run.response.text)} characters]")
            raise
    click.echo(f"\n[{run.outcome}, {run.response.usage.total_tokens} tokens]")


if __name__ == "__main__":
    main()
