"""Models behind one interface: a codec per wire format, one `Provider` actor, scripted models."""

from actors.http import Limits

from ._api import Clock, Generate, ProviderApi, Requests, ScriptedApi
from ._codec import Codec, Decoder, WireRequest
from ._fallback import FallbackProvider
from ._handle import ProviderHandle, ProviderStream, open_provider
from ._model import Model, Route, resolve
from ._openai_chat import OpenAIChat
from ._openai_wire import COMPATIBLE, OPENAI, Dialect
from ._opening import Candidate
from ._provider import Provider
from ._race import RaceProvider
from ._script import (
    Fail,
    Happening,
    Pause,
    Playback,
    Reset,
    Script,
    Stall,
    Step,
    call,
    call_text,
    crash,
    echo,
    fail,
    finish,
    pause,
    play,
    reset,
    say,
    script,
    stall,
    think,
    truncate,
    usage,
)
from ._scripted import Scripted
from ._several import AnyModel, Fallback, Hedge, Race, RoundRobin, Several, looked_up
from ._start import StartedProvider, start_provider

__all__ = [
    "COMPATIBLE",
    "OPENAI",
    "AnyModel",
    "Candidate",
    "Clock",
    "Codec",
    "Decoder",
    "Dialect",
    "Fail",
    "Fallback",
    "FallbackProvider",
    "Generate",
    "Happening",
    "Hedge",
    "Limits",
    "Model",
    "OpenAIChat",
    "Pause",
    "Playback",
    "Provider",
    "ProviderApi",
    "ProviderHandle",
    "ProviderStream",
    "Race",
    "RaceProvider",
    "Requests",
    "Reset",
    "RoundRobin",
    "Route",
    "Script",
    "Scripted",
    "ScriptedApi",
    "Several",
    "Stall",
    "StartedProvider",
    "Step",
    "WireRequest",
    "call",
    "call_text",
    "crash",
    "echo",
    "fail",
    "finish",
    "looked_up",
    "open_provider",
    "pause",
    "play",
    "reset",
    "resolve",
    "say",
    "script",
    "stall",
    "start_provider",
    "think",
    "truncate",
    "usage",
]
