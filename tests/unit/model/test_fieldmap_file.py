"""A map file is judged as a whole, and every fault comes with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.model.fieldmap_file import MapError, lines_of, load_map, load_map_beside, load_maps, parse_codes, parse_map
from gateway.settings import Mappings, Settings, SettingsError
from tests.support.site import hospital

HEAD = '[map]\nid = "v"\nname = { zh = "甲", en = "A" }\nformat = "json"\n'
GOOD = HEAD + '[request.2207.data]\npsn_no = "a"\n'
CODES = "table,theirs,ours,zh\nkind,W,310,职工\n"


def problems(text: str, name: str = "v.toml", codes: str = CODES) -> list[str]:
    with pytest.raises(MapError) as wrong:
        parse_map(text, name, lambda _name: codes)
    assert str(wrong.value) == "\n".join(wrong.value.problems)
    return list(wrong.value.problems)


def one(text: str) -> str:
    (problem,) = problems(text)
    return problem


def test_a_small_map() -> None:
    made = parse_map(GOOD, "v.toml", lambda _name: CODES)
    assert (made.id, made.zh, made.en, made.format, made.encoding) == ("v", "甲", "A", "json", "utf-8")
    assert list(made.requests) == ["2207"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[map\n", "v.toml:1: -"),
        (f"{GOOD}x = \n", "v.toml:7: -"),
        (GOOD.replace('"json"', '"csv"'), "v.toml:4: map.format"),
        (GOOD.replace('id = "v"', 'id = "w"'), "v.toml:2: map.id"),
        (GOOD.replace('id = "v"', 'id = "V!"'), "v.toml:2: map.id"),
        (GOOD.replace('id = "v"\n', ""), "v.toml:1: map.id"),
        (GOOD.replace(', en = "A"', ""), "v.toml:3: map.name.en"),
        (GOOD.replace("[request", 'codes = "../x"\n[request'), "v.toml:5: map.codes"),
        (GOOD.replace("[request", 'encoding = "gbk"\n[request'), "v.toml:5: map.encoding"),
        (GOOD.replace("[request", "colour = 1\n[request"), "v.toml:5: map.colour"),
        (HEAD, "v.toml:1: map"),
        (f"{GOOD}[extra]\na = 1\n", "v.toml:7: extra"),
        (f'{GOOD}[envelope]\ninfo = "a"\n', "v.toml:8: envelope.info"),
        (f"{GOOD}[request.22]\n", "v.toml:7: request.22"),
        (f'{GOOD}[request.2208]\ndata = "x"\n', "v.toml:8: request.2208.data"),
        (f'{GOOD}x = "a.["\n', "v.toml:7: request.2207.data.x"),
        (f'{GOOD}x = "foo(a"\n', "v.toml:7: request.2207.data.x"),
        (f"{GOOD}x = 1\n", "v.toml:7: request.2207.data.x"),
        (f"{GOOD}x = {{}}\n", "v.toml:7: request.2207.data.x"),
        (f'{GOOD}x = {{ from = "a", value = "b" }}\n', "v.toml:7: request.2207.data.x"),
        (f'{GOOD}x = {{ from = "a", fen = true, date = "%Y" }}\n', "v.toml:7: request.2207.data.x"),
        (f'{GOOD}x = {{ from = "a", codes = "none" }}\n', "v.toml:7: request.2207.data.x"),
        (f'{GOOD}x = {{ from = "a", turn = "b" }}\n', "v.toml:7: request.2207.data.x.turn"),
        (f'{GOOD}x = {{ from = "a", required = "maybe" }}\n', "v.toml:7: request.2207.data.x.required"),
        (f'{GOOD}[request.2204."rows[]"]\nx = "a"\n', "v.toml:7: request.2204.rows[].each"),
        (f'{GOOD}[request.2204."rows[]"]\neach = "["\nx = "a"\n', "v.toml:8: request.2204.rows[].each"),
        (f'{GOOD}[answer.2207]\n"a" = "b"\n', "v.toml:1: map"),
        (f'{GOOD}[answer.always]\n"a" = "b."\n', "v.toml:8: answer.always.a"),
        (f'{GOOD}[answer.sometimes]\n"a" = "b"\n[answer.always]\n', "v.toml:7: answer.sometimes"),
        (GOOD.replace('"json"', '"xml"').replace('"a"', '"a["'), "v.toml:6: request.2207.data.psn_no"),
    ],
)
def test_every_fault_has_its_line_and_key(text: str, where: str) -> None:
    assert one(text).startswith(f"{where}: ")


def test_all_faults_are_told_at_once() -> None:
    text = f'{GOOD}x = "["\ny = 1\n[nothing]\n'
    assert [problem.split(": ")[0] for problem in problems(text)] == ["v.toml:7", "v.toml:8", "v.toml:9"]


@pytest.mark.parametrize(
    ("codes", "where"),
    [
        ("a,b\n", "v.csv:1: -"),
        ("table,theirs,ours,zh\nkind,W,310,职工\nkind,W,390,居民\n", "v.csv:3: kind"),
        ("table,theirs,ours,zh\nkind,W,,职工\n", "v.csv:2: kind"),
        ("table,theirs,ours,zh\nkind,W\n", "v.csv:2: kind"),
    ],
)
def test_code_files_are_judged_too(codes: str, where: str) -> None:
    text = GOOD.replace("[request", 'codes = "v.csv"\n[request')
    (problem,) = problems(text, codes=codes)
    assert problem.startswith(where)
    with pytest.raises(MapError):
        parse_codes(codes, "v.csv")


def test_lines_are_found_through_all_spellings() -> None:
    text = "# [x]\na = 1\n[ b . 'c d' ] # y\n\"e.f\" = '''\n[no]\nno = 1\n'''\n"
    text += "g.h = [\n  1,\n  2,\n]\ni = { j = 1 }\n[k]\n"
    assert lines_of(text) == {
        ("a",): 2, ("b", "c d"): 3, ("b", "c d", "e.f"): 4, ("b", "c d", "g", "h"): 8, ("b", "c d", "i"): 12,
        ("k",): 13,
    }  # fmt: skip


def test_own_maps_stand_beside_the_products_and_win(tmp_path: Path) -> None:
    folder = tmp_path / "his"
    folder.mkdir()
    (folder / "v.toml").write_text(GOOD.replace("[request", 'codes = "v.csv"\n[request'), "utf-8")
    with pytest.raises(MapError, match=r"v\.toml:5: map\.codes: v\.csv: FileNotFoundError"):
        load_maps(folder)
    (tmp_path / "codes").mkdir()
    (tmp_path / "codes" / "v.csv").write_text(CODES, "utf-8")
    found = load_maps(folder)
    assert {"v", "qingzhu", "baishi"} <= set(found)
    (folder / "qingzhu.toml").write_text(GOOD.replace('"v"', '"qingzhu"'), "utf-8")
    assert load_maps(folder)["qingzhu"].zh == "甲"
    assert load_map_beside(folder / "v.toml").id == "v"
    (folder / "w.toml").write_text("[", "utf-8")
    (folder / "x.toml").write_text(HEAD, "utf-8")
    with pytest.raises(MapError) as wrong:
        load_maps(folder)
    assert [problem.split(":")[0] for problem in wrong.value.problems] == ["w.toml", "x.toml", "x.toml"]
    with pytest.raises(OSError, match="nowhere"):
        load_map(tmp_path / "nowhere.toml")


def test_a_hospital_names_its_map_in_the_settings(tmp_path: Path) -> None:
    def settings(name: str) -> Settings:
        at = hospital("H43050000001", "", "430500").model_copy(update={"map": name})
        return Settings(
            store="sqlite:///x", data_dir=tmp_path, vault_key_file=tmp_path / "key", hospitals=(at,),
            mappings=Mappings(his=tmp_path),
        )  # fmt: skip

    assert {"qingzhu", "baishi"} <= set(settings("").field_maps())
    assert settings("baishi").field_maps()["baishi"].encoding == "gb18030"
    with pytest.raises(SettingsError, match=r"hospitals\.H43050000001\.map: no field map 'nobody'"):
        settings("nobody").field_maps()
    (tmp_path / "v.toml").write_text(HEAD, "utf-8")
    with pytest.raises(SettingsError, match=r"v\.toml:1: map: "):
        settings("").field_maps()
