"""The benchmark: what its figures mean, and that its command measures and reports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from runtime.bench import BENCHMARKS, FULL, QUICK, Budget, Figure
from runtime.bench._command import chosen_benchmarks
from runtime.bench._figures import figure_of, percentile
from runtime.bench._machine import Machine
from runtime.bench._report import as_json, number, print_report
from runtime.bench._rounds import take_turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from runtime.bench._figures import Samples

ROOT = Path(__file__).parents[2]
RUNTIME = str(Path(sys.executable).with_name("runtime"))
MACHINE = Machine({"Python": "3.11"}, "a processor", processors=2, load=0.1)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [RUNTIME, "bench", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# Statistics


def test_a_percentile_lies_between_the_samples_around_it() -> None:
    samples = [float(number) for number in range(101)]

    assert percentile(samples, 50) == 50.0
    assert percentile(samples, 99) == 99.0
    assert percentile([1.0, 2.0], 50) == 1.5


def test_one_sample_is_every_percentile_of_itself() -> None:
    assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0


def test_no_samples_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="measure at least one"):
        percentile([], 50)


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    subject, floor = [[10.0], [200.0], [30.0]], [[10.0], [100.0], [10.0]]

    figure = figure_of("x", "µs", subject, floor)

    assert figure.ratio == 2.0  # of 1, 2 and 3; the medians' own ratio is 30 to 10
    assert (figure.p50, figure.floor) == (30.0, 10.0)


def test_a_round_of_one_sample_has_no_tail() -> None:
    assert figure_of("x", "s", [[1.0], [2.0]]).p99 is None
    assert figure_of("x", "s", [[1.0, 2.0], [2.0, 3.0]]).p99 is not None


def test_a_figure_counts_all_samples() -> None:
    assert figure_of("x", "s", [[1.0, 2.0], [3.0, 4.0]], [[1.0], [1.0]]).n == 4


def test_rounds_without_their_floor_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        figure_of("x", "s", [[1.0], [2.0]], [[1.0]])


# Budgets


@pytest.mark.parametrize(
    ("budget", "ratio", "met"),
    [
        (Budget(ratio=1.5), 1.5, True),
        (Budget(ratio=1.5), 1.6, False),
        (Budget(ratio=1.5), None, False),
        (Budget(ratio=1.5, more_is_better=True), 1.4, False),
        (Budget(ratio=1.5, more_is_better=True), 1.6, True),
        (Budget(value=2.0), 99.0, True),
        (Budget(value=0.5), 1.0, False),
    ],
)
def test_a_budget_is_met_within_its_bounds(
    budget: Budget, ratio: float | None, met: object
) -> None:
    figure = Figure("x", "s", p50=1.0, p99=None, floor=1.0, ratio=ratio, n=1, budget=budget)

    assert figure.is_met is met


def test_a_figure_without_a_budget_neither_meets_nor_misses_it() -> None:
    assert Figure("x", "s", 1.0, None, None, None, 1).is_met is None


def test_a_budget_reads_as_it_is_meant() -> None:
    assert str(Budget(ratio=1.25)) == "≤ 1.25 x"
    assert str(Budget(ratio=1.5, more_is_better=True)) == "≥ 1.5 x"
    assert str(Budget(value=0.3)) == "≤ 0.3"


# Turns


async def test_subject_and_floor_take_turns_and_the_first_round_does_not_count() -> None:
    turns: list[str] = []

    def subject(name: str) -> Callable[[], Awaitable[Samples]]:
        async def measure() -> Samples:
            await trio.lowlevel.checkpoint()
            turns.append(name)
            return [float(len(turns))]

        return measure

    rounds = await take_turns(QUICK, {"a": subject("a"), "b": subject("b")})

    assert "".join(turns) == "baabbaab"
    assert rounds == {"a": [[3.0], [6.0], [7.0]], "b": [[4.0], [5.0], [8.0]]}


def test_quick_rounds_are_fewer_and_shorter_but_never_empty() -> None:
    assert QUICK.rounds < FULL.rounds
    assert FULL.samples(1_000) == 1_000
    assert QUICK.samples(1_000) == 100
    assert QUICK.samples(1) == 10


# Reports


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0.09812, "0.0981"), (9.812, "9.81"), (98.12, "98.1"), (98_120.0, "98120")],
)
def test_numbers_show_three_digits_that_count(value: float | None, text: str) -> None:
    assert number(value) == text


def test_json_has_everything_that_the_table_has() -> None:
    figure = figure_of("x", "µs", [[4.0, 4.0]], [[2.0, 2.0]], Budget(ratio=1.5))

    document: dict[str, Any] = json.loads(as_json([figure], MACHINE))

    assert document["figures"] == [
        {
            "name": "x",
            "unit": "µs",
            "p50": 4.0,
            "p99": 4.0,
            "floor": 2.0,
            "ratio": 2.0,
            "n": 2,
            "budget": "≤ 1.5 x",
            "met": False,
        }
    ]
    assert document["versions"] == {"Python": "3.11"}
    assert document["machine"]["was_busy"] is False


def test_the_widest_figures_fit_into_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    budget = Budget(ratio=12.5, more_is_better=True)
    name = "chunk: provider alone"

    print_report([Figure(name, "M/s", 0.123, 12_345.6, 0.123, 12.346, 21_000, budget)], MACHINE)

    head, line, *_ = capsys.readouterr().out.splitlines()
    assert len(head) <= 80
    for text in ("chunk: provider alone", "0.123", "12346", "12.35", "≥ 12.5 x", "NO", "21000"):
        assert text in line


# The command


def test_names_choose_benchmarks_each_once_and_none_means_all() -> None:
    assert [b.name for b in chosen_benchmarks(("tell", "ask", "tell"))] == ["ask", "tell"]
    assert chosen_benchmarks(()) == BENCHMARKS


def test_the_list_names_every_benchmark_and_its_floor() -> None:
    result = run("--list")

    assert result.returncode == 0
    for benchmark in BENCHMARKS:
        assert f"{benchmark.name:<11}{benchmark.what}\n{'':<11}floor: " in result.stdout


def test_an_unknown_name_is_one_line_that_lists_the_known_ones() -> None:
    result = run("nonsense")

    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert "no benchmark 'nonsense'" in line
    assert all(benchmark.name in line for benchmark in BENCHMARKS)


def test_a_quick_run_prints_a_plain_table_and_writes_the_figures(tmp_path: Path) -> None:
    written = tmp_path / "figures.json"

    result = run("--quick", "tell", "stream", "--json", str(written))

    assert (result.returncode, result.stderr) == (0, "")
    head, tell, stream, *_ = result.stdout.splitlines()
    assert head.split() == ["what", "unit", "p50", "p99", "floor", "ratio", "budget", "met", "n"]
    assert tell.startswith("tell ")
    assert stream.startswith("stream hop ")
    assert "trio " in result.stdout
    figures = json.loads(written.read_text(encoding="utf-8"))["figures"]
    assert [figure["name"] for figure in figures] == ["tell", "stream hop"]
    assert all(f["p50"] > 0 and f["floor"] > 0 and f["ratio"] > 0 for f in figures)


def test_a_file_that_cannot_be_written_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    result = run("--quick", "--json", str(tmp_path / "missing" / "x.json"))

    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


def test_many_streams_measures_every_client_in_its_own_process() -> None:
    script = ROOT / "benchmarks" / "many_streams.py"

    result = subprocess.run(  # noqa: S603 - our own script, our own interpreter
        [sys.executable, "-W", "error", str(script), "5", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.stderr == ""
    assert [line.split(" p50 ")[0].strip() for line in result.stdout.splitlines()] == [
        "agents",
        "provider",
        "plain httpx2",
    ]
