"""Approval: a tool with effects waits for somebody, over the end of the program that asked."""

import tempfile
from pathlib import Path

import trio

from actors import AgentOptions, open_agent
from actors.chat import ApprovalNeeded, ToolEnd
from actors.errors import NeedsApproval
from actors.providers import Model, call, say, script
from actors.tools import tool

ROUND = script(
    say("I look at the balance, and ask to pay both."),
    call("balance"),
    call("pay", to="Ann", amount=20),
    call("pay", to="Bob", amount=900),
    call("pay", to="Cid", amount=950),
)
ANSWER = script(say("Ann and Bob are paid; Cid has to wait until Monday."))


FREE = 100  # so much may be paid without asking


@tool
async def balance() -> int:
    """Look how much money is left."""
    return 2_000


@tool(effect=True, approve=lambda arguments: arguments["amount"] > FREE)
async def pay(to: str, amount: int) -> str:
    """Pay somebody; more than 100 needs approval."""
    return f"{amount} paid to {to}"


async def ask(options: AgentOptions) -> None:
    """The program that asks: the run ends when only calls are left that need approval."""
    async with open_agent(
        Model("scripted:clerk", script=ROUND), tools=[balance, pay], options=options
    ) as agent:
        run = agent.stream("Pay the bills of Ann, Bob and Cid.")
        try:
            async with run:
                async for event in run:
                    if isinstance(event, ToolEnd):
                        print(f"done:    {event.content}")
                    if isinstance(event, ApprovalNeeded):
                        print(f"waits:   {event.content} {event.call.arguments}")
        except NeedsApproval:
            print(f"outcome: {run.outcome}")


async def decide(options: AgentOptions) -> None:
    """Another one, perhaps on another day: it approves one call and denies the other."""
    async with open_agent(
        Model("scripted:clerk", script=ANSWER), tools=[balance, pay], options=options
    ) as agent:
        left = await agent.unfinished()
        assert left is not None
        bob, cid = (call.id for call in left.pending)
        async with agent.resume(left.id, approve=[bob], deny={cid: "not before Monday"}) as run:
            async for event in run:
                if isinstance(event, ToolEnd):
                    print(f"{event.result.status}:      {event.content}")
        print(f"answer:  {run.response.text}")
        print(f"outcome: {run.outcome}")


async def main() -> None:
    """Ask in one life of the program, and decide in the next."""
    with tempfile.TemporaryDirectory() as folder:
        options = AgentOptions(journal=Path(folder) / "chats.db")
        await ask(options)
        print("         (the program ends, and is started again)")
        await decide(options)


trio.run(main)
