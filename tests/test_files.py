"""Files are whole or not there."""

import pytest

from aerial_depth_pipeline.files import atomic_path, fingerprint_of, write_json


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(RuntimeError), atomic_path(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_folders_are_replaced_whole(tmp_path) -> None:
    path = tmp_path / "folder"
    for text in ("one", "two"):
        with atomic_path(path) as partial:
            partial.mkdir()
            (partial / text).write_text(text)
    assert [p.name for p in path.iterdir()] == ["two"]
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_fingerprint_depends_on_content_not_order() -> None:
    assert fingerprint_of({"a": 1, "b": 2}) == fingerprint_of({"b": 2, "a": 1})
    assert fingerprint_of({"a": 1}) != fingerprint_of({"a": 1.5})
