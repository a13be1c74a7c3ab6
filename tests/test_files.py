"""Files are whole or not there."""

import errno
import time

import pytest

from aerial_depth_pipeline.errors import UserError
from aerial_depth_pipeline.files import (
    BoundedExecutor,
    atomic_path,
    disk_full_as_sentence,
    evenly,
    fingerprint_of,
    fingerprint_of_files,
    write_json,
)


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


@pytest.mark.parametrize(("count", "expected"), [(1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9])])
def test_items_are_taken_evenly_from_the_first_to_the_last(count, expected):
    assert evenly(range(10), count) == expected
    assert evenly(range(3), 5) == [0, 1, 2]


def test_a_full_disk_is_a_sentence_and_other_errors_stay(tmp_path):
    with pytest.raises(UserError, match="is full; free some space"):
        with disk_full_as_sentence(tmp_path, "free some space"):
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
    with pytest.raises(PermissionError), disk_full_as_sentence(tmp_path, "free some space"):
        raise PermissionError(errno.EACCES, "no")


def test_work_in_the_background_is_bounded_and_its_errors_come_back():
    running, most = [], []

    def work(number):
        running.append(number)
        most.append(len(running))
        time.sleep(0.01)
        running.remove(number)
        if number == 7:
            raise OSError("full")

    with pytest.raises(OSError, match="full"), BoundedExecutor(2, 3) as executor:
        for number in range(100):
            executor.submit(work, number)
    assert max(most) <= 2 and len(most) < 20


def test_a_fingerprint_sees_what_links_lead_to(tmp_path):
    scene, card = tmp_path / "scene", tmp_path / "card"
    scene.mkdir(), card.mkdir()
    (scene / "images").symlink_to(card)
    (card / "circle").symlink_to(card)
    (card / "gone").symlink_to(tmp_path / "nowhere")
    before = fingerprint_of_files(scene)
    (card / "a.jpg").write_bytes(b"a")
    assert fingerprint_of_files(scene) != before
