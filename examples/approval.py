"""Approval: a tool with effects waits for somebody, over the end of the program that asked.

`python examples/approval.py local:smollm2` asks a real model, which may not call what it should.
"""

import sys
import tempfile
from pathlib import Path

import trio

from actors import AgentOptions, open_agent
from actors.agents import RunLimits
from actors.chat import ApprovalNeeded, Settings, ToolEnd
from actors.errors import LimitReached, NeedsApproval
from actors.providers import Model, call, say, script
from actors.tools import tool

ASKS = script(
    say("I look at the balance, and ask to pay both."),
    call("balance"),
    call("pay", to="Ann", amount=20),
    call("pay", to="Bob", amount=900),
    call("pay", to="Cid", amount=950),
)
ANSWERS = script(say("Ann and Bob are paid; Cid has to wait until Monday."))
TASK = "Pay Ann 20, Bob 900 and Cid 950, please."
FREE = 100  # so much may be paid without asking
BRIEF = Settings(max_tokens=120)  # a small model may never stop


@tool
async def balance() -> int:
    """Look how much money is left."""
    return 2_000


@tool(effect=True, approve=lambda arguments: arguments["amount"] > FREE)
async def pay(to: str, amount: int) -> str:
    """Pay somebody; more than 100 needs approval."""
    return f"{amount} paid to {to}"


async def ask(model: str | Model, options: AgentOptions) -> None:
    """The program that asks: the run ends when only calls are left that need approval."""
    async with open_agent(model, tools=[balance, pay], options=options) as agent:
        run = agent.stream(TASK)
        try:
            async with run:
                async for event in run:
                    if isinstance(event, ToolEnd):
                        print(f"done:    {event.content}")
                    if isinstance(event, ApprovalNeeded):
                        print(f"waits:   {event.content} {event.call.arguments}")
        except NeedsApproval:
            pass
        except LimitReached as limit:  # a small model may call tools without an end
            print(f"limit:   {limit}")
        print(f"outcome: {run.outcome}")


async def decide(model: str | Model, options: AgentOptions) -> None:
    """Another one, perhaps on another day: it approves one call and denies all others."""
    async with open_agent(model, tools=[balance, pay], options=options) as agent:
        left = await agent.unfinished()
        if left is None or not left.pending:
            print("nothing waits for approval")
            return
        first, *others = (call.id for call in left.pending)
        denied = dict.fromkeys(others, "not before Monday")
        run = agent.resume(left.id, approve=[first], deny=denied)
        try:
            async with run:
                async for event in run:
                    if isinstance(event, ToolEnd):
                        print(f"{event.result.status}:      {event.content}")
        except (NeedsApproval, LimitReached) as more:  # it may ask again; somebody decides, too
            print(f"more:    {more}")
        print(f"answer:  {run.response.text}")
        print(f"outcome: {run.outcome}")


async def main(model: str | None) -> None:
    """Ask in one life of the program, and decide in the next."""
    with tempfile.TemporaryDirectory() as folder:
        options = AgentOptions(
            journal=Path(folder) / "chats.db", settings=BRIEF, limits=RunLimits(model_calls=6)
        )
        await ask(model or Model("scripted:clerk", script=ASKS), options)
        print("         (the program ends, and is started again)")
        await decide(model or Model("scripted:clerk", script=ANSWERS), options)


trio.run(main, sys.argv[1] if sys.argv[1:] else None)
