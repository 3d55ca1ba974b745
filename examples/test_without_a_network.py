"""How to test your own agent: scripted answers, virtual time, and what the model was sent."""

import trio
from trio.testing import MockClock

from actors import open_agent
from actors.chat import ToolTurn, UserTurn
from actors.errors import StreamStalled
from actors.http import Limits
from actors.providers import Model, Requests, ScriptedApi, call, say, script, stall
from runtime.testing import assert_no_leaks


async def stock(item: str) -> int:
    """Count what is in the warehouse."""
    await trio.sleep(3600)  # an hour of a slow service: nothing, on virtual time
    return {"lamp": 4}.get(item, 0)


async def the_tool_is_asked_and_its_result_is_sent_back() -> None:
    """Two answers: a call of the tool, then words."""
    answers = script(call("stock", item="lamp")), script("There are four lamps.")
    model = Model("scripted:shop", script=answers)
    async with open_agent(model, tools=[stock], instructions="You keep a shop.") as agent:
        answer = await agent.run("How many lamps are there?")
        scripted = agent.system.whereis("/agent/provider", ScriptedApi)
        assert scripted is not None
        first, second = await scripted.ask(Requests())  # what a real model would have got

    assert answer.text == "There are four lamps."
    assert first.turns[-1] == UserTurn("How many lamps are there?")
    assert isinstance(second.turns[-1], ToolTurn)
    assert second.turns[-1].results[0].content == "4"


async def a_silent_model_is_given_up_after_its_limit() -> None:
    """So many seconds of silence are too many, and what came before is kept."""
    limits = Limits(idle=45.0)
    model = Model("scripted:shop", script=script(say("Let me se"), stall()), limits=limits)
    began, caught = trio.current_time(), None
    async with assert_no_leaks(), open_agent(model) as agent:
        try:
            await agent.run("How many lamps are there?")
        except StreamStalled as stalled:
            caught = stalled

    assert caught is not None
    assert caught.partial.text == "Let me se"
    assert trio.current_time() - began == limits.idle


for test in (
    the_tool_is_asked_and_its_result_is_sent_back,
    a_silent_model_is_given_up_after_its_limit,
):
    trio.run(test, clock=MockClock(autojump_threshold=0))
    print(f"passed: {test.__name__.replace('_', ' ')}")
