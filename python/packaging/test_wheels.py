"""What is published: a source distribution that builds in an empty folder, and wheels that install from there.

Run by `cargo xtask test wheels`; needs maturin beside this Python, and a newer Python for the wheel of the stable
interface.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = [
    "pytest==9.2.0",
    "hypothesis==6.149.1",
    "anyio==4.16.0",
    "trio==0.35.0",
]
ELSEWHERE = ["test_docs", "test_telemetry", "test_typing", "test_web", "test_pybreaker"]
"""What needs more packages, and is no different there."""


def run(*command: str | Path, folder: Path, **more: str) -> str:
    # Nothing of this checkout is to be found by accident.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**environment, "CARGO_TARGET_DIR": str(TARGET), **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, in a folder that has nothing else."""
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "maturin", "sdist", "--out", folder, folder=ROOT / "python")
    (archive,) = folder.glob("fuseboard-*.tar.gz")
    with tarfile.open(archive) as contents:
        contents.extractall(folder, filter="data")
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    return source


def built(unpacked: Path, to: Path, *features: str, **environment: str) -> Path:
    command = ["-m", "maturin", "build", "--release", "--out", str(to), *features]
    run(sys.executable, *command, folder=unpacked, **environment)
    (wheel,) = to.glob("*.whl")
    return wheel


def installed(python: str | Path, wheel: Path, folder: Path) -> Path:
    """The Python of a new environment that has nothing but the wheel."""
    run(python, "-m", "venv", folder / "venv", folder=folder)
    inside = folder / "venv/bin/python"
    quiet = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run(inside, *quiet, "--no-index", wheel, folder=folder)
    return inside


def shows_the_readme(python: Path, folder: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    assert blocks
    for block in blocks:
        run(python, "-I", "-W", "error", "-c", block, folder=folder)


def has_all(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    package = ROOT / "python/python/fuseboard"
    sources = {
        f"fuseboard/{path.relative_to(package)}"
        for path in package.rglob("*")
        if path.suffix in {".py", ".pyi", ".typed"}
    }
    assert sources <= set(names)
    others = {name for name in names if not name.startswith("fuseboard-")} - sources
    assert [name.split(".")[0] for name in others] == ["fuseboard/_native"]
    licences = [name for name in names if "LICENSE" in name]
    assert sorted(Path(name).name for name in licences) == ["LICENSE-APACHE", "LICENSE-MIT"]


def test_the_source_builds_where_nothing_else_is(unpacked: Path, tmp_path: Path) -> None:
    names = [path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()]
    assert not [path for path in names if path.suffix in {".so", ".whl", ".pyc"}]
    assert {"Cargo.lock", "PKG-INFO", "pyproject.toml"} <= {str(path) for path in names}
    wheel = built(unpacked, tmp_path / "dist", "--interpreter", sys.executable)
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert f"-{tag}-{tag}-" in wheel.name
    has_all(wheel)
    shows_the_readme(installed(sys.executable, wheel, tmp_path), tmp_path)


def newer_pythons() -> list[str]:
    """With a global lock, from 3.12 on, newest first."""
    names = [f"python3.{minor}" for minor in range(19, 11, -1)]
    found = [path for name in names if (path := shutil.which(name))]
    home = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    found += sorted(glob.glob(f"{home}/versions/3.1[2-9]*/bin/python3"), reverse=True)
    check = "import sys, venv, ensurepip; assert getattr(sys, '_is_gil_enabled', lambda: True)()"
    works = (subprocess.run([path, "-c", check], capture_output=True, check=False) for path in found)
    return [path for path, ran in zip(found, works, strict=True) if ran.returncode == 0]


def test_one_wheel_for_every_newer_python(unpacked: Path, tmp_path: Path) -> None:
    # No interpreter: what is built is told by the feature alone.
    wheel = built(unpacked, tmp_path / "dist", "--features", "abi3", PYO3_NO_PYTHON="1")
    assert "-cp312-abi3-" in wheel.name
    has_all(wheel)
    pythons = newer_pythons()
    if not pythons:
        pytest.skip("no Python 3.12 or newer to install it in")
    python = installed(pythons[0], wheel, tmp_path)
    shows_the_readme(python, tmp_path)
    run(python, "-m", "pip", "--disable-pip-version-check", "install", "-q", *TESTS, folder=tmp_path)
    tests = ROOT / "python/tests"
    ignored = [f"--ignore={tests / name}.py" for name in ELSEWHERE]
    options = ["-q", "-p", "no:cacheprovider", "-c", ROOT / "python/pyproject.toml"]
    print(run(python, "-X", "dev", "-m", "pytest", *options, *ignored, tests, folder=tmp_path))
