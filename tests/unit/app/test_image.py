"""The image: no engine runs here, so its file is checked by rule and its steps are replayed in a plain directory."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def test_the_image_is_built_in_two_stages_and_runs_as_nobody_special() -> None:
    found = instructions()
    words = [word for word, _ in found]
    assert words.count("FROM") == 2
    last_stage = found[len(words) - words[::-1].index("FROM") - 1 :]
    after = dict(last_stage)
    assert after["USER"] == "10001"
    assert "HEALTHCHECK" in after
    assert after["ENTRYPOINT"] == '["xinyi"]'
    assert not {"ADD", "EXPOSE 22"} & set(words)
    assert "pip" not in " ".join(rest for _, rest in last_stage)
    assert all(re.search(r":\d", rest) for word, rest in found if word == "FROM"), "a version is pinned"
    assert any("--require-hashes" in rest for word, rest in found if word == "RUN")


def test_no_secret_and_no_registry_is_in_the_image() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    assert not re.search(r"https?://(?!127\.0\.0\.1)", text)
    assert not re.search(r"(?i)token|password|secret", text)


def test_its_steps_work_in_a_plain_directory(tmp_path: Path) -> None:
    """COPY and the install of our own package are replayed; the locked libraries are those of this environment."""
    target = tmp_path / "opt"
    target.mkdir()
    for word, rest in instructions():
        if word == "COPY" and "--from" not in rest:
            *sources, to = rest.split()
            for source in sources:
                place = target / (to if to != "./" else Path(source).name)
                place.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, place)
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = next((venv / "lib").glob("python*/site-packages"))
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(site), str(target)]
    subprocess.run([sys.executable, *install], check=True, capture_output=True)
    where = "import gateway, mappings, adapters.insurance as a; print(gateway.__file__); a.ADAPTER.manifest"
    command = [str(venv / "bin/python"), "-I", "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {where}"]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert ran.stdout.startswith(str(site))


def test_the_compose_file_names_what_is_there() -> None:
    compose = yaml.safe_load((ROOT / "ops/compose/compose.yaml").read_text("utf-8"))
    assert {"postgres", "migrate", "gateway", "prometheus"} <= compose["services"].keys()
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("../"):
                assert (ROOT / "ops/compose" / source).exists(), source
    assert compose["services"]["gateway"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    "command",
    [
        ["check", "config", "--syntax-only", "ops/prometheus/prometheus.yml"],
        ["check", "rules", "ops/prometheus/rules.yml"],
        ["test", "rules", "ops/prometheus/rules_test.yml"],
    ],
)
def test_prometheus_accepts_the_rules(command: list[str]) -> None:
    ran = subprocess.run(["promtool", *command], cwd=ROOT, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
