"""Agents that work for others: as tools, side by side, and one that takes over."""

import trio

from actors import open_agent
from actors.agents import AgentRecipe, Report, agent_tool, fan_out, handoff
from actors.chat import ToolEnd
from actors.providers import Model, Script, call, echo, pause, say, script, together, usage


def model(name: str, *scripts: Script) -> Model:
    """A model that answers with these scripts; yours is "openai:gpt-4o-mini", say."""
    return Model(f"scripted:{name}", script=scripts)


RESEARCHER = AgentRecipe(
    "researcher",
    model("researcher", script(pause(0.1), say("Found: ", pieces=1), echo(), usage(30, 5))),
    instructions="You look things up.",
    description="Looks things up, one question at a time.",
)
BILLING = AgentRecipe(
    "billing",
    model("billing", script(say("Your money is on its way."), usage(20, 6))),
    instructions="You deal with refunds.",
    description="Knows about money.",
)


async def ask_two_at_once() -> None:
    """One agent asks two others; each is started for its call, and has ended with it."""
    asks = script(
        together(
            call("researcher", task="the price of tea"),
            call("researcher", task="the price of milk"),
        ),
        usage(40, 20),
    )
    chief = model("chief", asks, script(say("Tea 3, milk 1."), usage(90, 9)))
    async with open_agent(chief, tools=[agent_tool(RESEARCHER)]) as agent:
        async with agent.stream("What do tea and milk cost?") as run:
            async for event in run:
                if isinstance(event, ToolEnd):
                    print(f"  {event.type}: {event.content}")
        report = await agent.ref.ask(Report(run.id))
        print(run.response.text)
        own, total = report.own_usage.total_tokens, report.usage.total_tokens
        print(f"  {own} tokens of its own, {total} in all")


async def fan() -> None:
    """Five questions from code, two at a time."""
    questions = [f"question {number}" for number in range(1, 6)]
    answers = await fan_out([(RESEARCHER, question) for question in questions], at_once=2)
    print("; ".join(answer.text for answer in answers))


async def hand_over() -> None:
    """The model gives the conversation to another agent, which answers from then on."""
    triage = model("triage", script(say("One moment. "), call("transfer_to_billing")))
    async with open_agent(triage, tools=[handoff(BILLING)]) as agent:
        async with agent.stream("I want my money back") as run:
            async for _ in run:
                pass
        print(f"{run.answered_by}: {run.response.text}")


async def main() -> None:
    """All three."""
    await ask_two_at_once()
    await fan()
    await hand_over()


trio.run(main)
