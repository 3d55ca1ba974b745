"""Feeds the codecs with answers that no server would send, guided by what code they reach.

    make fuzz                                   a minute for each codec
    make fuzz ARGS="--seconds 600 anthropic"    ten minutes for one
    make fuzz ARGS="--replay FILE anthropic"    one input again, with the traceback

It begins with the bodies in tests/fixtures and keeps what it learns in .fuzz/, so that a second
run goes on where the first one was. The promises that it checks stand in oracles.py. It ends at
the first that is broken and says in which file the input is: reduce it, and make it a fixture.
Coverage comes from atheris, which finds inputs through libFuzzer.
"""

from __future__ import annotations

import argparse
import importlib
import random
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

ROOT: Final = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from actors.providers import Codec

CODECS: Final = {  # the folder of its fixtures -> its class
    "openai_chat": "OpenAIChat",
    "openai_responses": "OpenAIResponses",
    "anthropic": "AnthropicMessages",
    "gemini": "Gemini",
    "ollama": "Ollama",
}
LONGEST: Final = 16_384  # bytes of an input
SLOWEST: Final = 20  # seconds for one input, after which it hangs
MEMORY: Final = 1_500  # megabytes
STRUCTURED: Final = 0.7  # of all changes; the others are libFuzzer's own


def main() -> int:
    arguments = _arguments()
    if arguments.worker:
        _fuzz(arguments.codecs[0], arguments.libfuzzer)
    if arguments.replay is not None:
        for name in arguments.codecs:
            _codec_and_check(name)[1](arguments.replay.read_bytes())
        print("every promise holds")
        return 0
    return max([_watch(name, arguments.seconds) for name in arguments.codecs])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("codecs", nargs="*", default=list(CODECS), metavar="CODEC")
    parser.add_argument("--seconds", type=int, default=60, help="for each codec (60)")
    parser.add_argument("--replay", type=Path, help="check this one input")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments, arguments.libfuzzer = parser.parse_known_args()
    if unknown := set(arguments.codecs) - set(CODECS):
        parser.error(f"{', '.join(unknown)}: no codec; there are {', '.join(CODECS)}")
    return arguments


def _watch(name: str, seconds: int) -> int:
    """Fuzz one codec in a process of its own, which a crash may take along."""
    folder = ROOT / ".fuzz" / name
    seeds, found = folder / "seeds", folder / "found"
    seeds.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    for body in (ROOT / "tests" / "fixtures" / name).glob("*.body"):
        if body.stat().st_size <= LONGEST:
            (seeds / body.name).write_bytes(body.read_bytes())
    words = folder / "words"
    words.write_text("".join(f'"{word}"\n' for word in sorted(_words(seeds))), encoding="ascii")
    options = {
        "max_total_time": seconds,
        "max_len": LONGEST,
        "timeout": SLOWEST,
        "rss_limit_mb": MEMORY,
        "dict": words,
        "artifact_prefix": f"{folder}/broken-",
        "print_final_stats": 1,
        "verbosity": 1,
    }
    given = [f"-{option}={value}" for option, value in options.items()]
    command = [sys.executable, __file__, "--worker", name, *given, str(found), str(seeds)]
    began = time.monotonic()
    print(f"{name}: up to {seconds} s, from {len(list(seeds.iterdir()))} fixtures", flush=True)
    result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    said = result.stderr + result.stdout
    executions = [line.split()[-1] for line in said.splitlines() if "number_of_executed" in line]
    spent = time.monotonic() - began
    print(f"{name}: {' '.join(executions) or '?'} inputs in {spent:.0f} s", flush=True)
    if result.returncode:
        shown = [line for line in said.splitlines() if not line.startswith(("#", "INFO"))]
        print("\n".join(shown)[-6000:], f"\n{name}: BROKEN, see above", flush=True)
    return 1 if result.returncode else 0


def _words(seeds: Path) -> Iterator[str]:
    """Names and short texts of the wire, for libFuzzer to put together anew."""
    known: set[str] = set()
    for body in seeds.iterdir():
        text = body.read_bytes().decode("utf-8", "replace")
        known |= {part for part in text.split('"') if part.isascii() and part.isidentifier()}
    return (word for word in known if 2 < len(word) < 40)


def _codec_and_check(name: str) -> tuple[Codec, Callable[[bytes], None]]:
    providers: Any = importlib.import_module("actors.providers.codecs")
    oracles: Any = importlib.import_module("oracles")
    codec: Codec = getattr(providers, CODECS[name])()
    return codec, lambda body: oracles.check(codec, body)


def _fuzz(name: str, libfuzzer: list[str]) -> None:
    """Only in the worker: does not return."""
    atheris: Any = importlib.import_module("atheris")
    for package in ("actors", "actors.providers"):  # instrument what is fuzzed, and no more
        stand_in = types.ModuleType(package)
        stand_in.__path__ = [str(ROOT.joinpath(*package.split(".")))]
        sys.modules[package] = stand_in
    importlib.import_module("runtime")
    with atheris.instrument_imports(include=["actors.providers.codecs", "actors.chat"]):
        _, check = _codec_and_check(name)
    mutations: Any = importlib.import_module("mutations")

    def change(data: bytes, size: int, seed: int) -> bytes:
        chance = random.Random(seed)  # noqa: S311
        if chance.random() > STRUCTURED:
            return atheris.Mutate(data, size)
        return mutations.mutate(data, chance)[:size]

    atheris.Setup([sys.argv[0], *libfuzzer], check, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
