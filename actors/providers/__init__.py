"""Models behind one interface: a codec per wire format, one `Provider` actor, scripted models."""

from actors.http import Limits

from ._api import Clock, Generate, ProviderApi, Requests, ScriptedApi
from ._fallback import FallbackProvider
from ._handle import ProviderHandle, ProviderStream, open_provider
from ._model import Model, Route, resolve
from ._opening import Candidate
from ._policies import Breaker, Rate, Retry
from ._provider import Provider
from ._race import RaceProvider
from ._recorded import Recording, Replay
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
from ._tape import Tape
from .codecs import (
    COMPATIBLE,
    OPENAI,
    AnthropicMessages,
    Codec,
    Decoder,
    Dialect,
    Gemini,
    Ollama,
    OpenAIChat,
    WireRequest,
)

__all__ = [
    "COMPATIBLE",
    "OPENAI",
    "AnthropicMessages",
    "AnyModel",
    "Breaker",
    "Candidate",
    "Clock",
    "Codec",
    "Decoder",
    "Dialect",
    "Fail",
    "Fallback",
    "FallbackProvider",
    "Gemini",
    "Generate",
    "Happening",
    "Hedge",
    "Limits",
    "Model",
    "Ollama",
    "OpenAIChat",
    "Pause",
    "Playback",
    "Provider",
    "ProviderApi",
    "ProviderHandle",
    "ProviderStream",
    "Race",
    "RaceProvider",
    "Rate",
    "Recording",
    "Replay",
    "Requests",
    "Reset",
    "Retry",
    "RoundRobin",
    "Route",
    "Script",
    "Scripted",
    "ScriptedApi",
    "Several",
    "Stall",
    "StartedProvider",
    "Step",
    "Tape",
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
