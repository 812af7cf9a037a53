"""Which seeds are kept: of every class as many as are wanted, the same however often the search begins again."""

import numpy as np
import pytest

from jaxgan.errors import InputError
from jaxgan.synthesis import plan, search
from jaxgan.synthesis.search import Gate, Progress

SHAPE = (2, 2, 1)


def make(seeds, labels):
    """Images that say which seed and label they are of."""
    made = np.zeros((len(seeds), *SHAPE), np.float32)
    made[:, 0, 0, 0] = np.asarray(seeds) % 200 / 127.5 - 1
    return made


def modulo(number):
    """Keeps seeds that `number` divides."""
    return Gate("--gate", "rest", {}, lambda made, seeds, labels: (seeds % number, seeds % number == 0))


def found(wanted, gates=(), progress=None):
    blocks = list(search.search(wanted, make, gates, SHAPE, progress or search.begin(wanted, 10)))
    return (np.concatenate([kept.seeds for kept, _ in blocks]).tolist(),
            np.concatenate([kept.labels for kept, _ in blocks]).tolist(), blocks)


def test_each_class_gets_what_is_wanted_and_no_seed_is_made_twice():
    seeds, labels, blocks = found(plan.per_class({2: 5, 7: 3}, 10))
    assert seeds == [10, 11, 12, 13, 14, 15, 16, 18]
    assert labels == [2, 7, 2, 7, 2, 7, 2, 2]
    assert blocks[-1][1] == Progress(19, [5, 3], [5, 3])


def test_a_gate_is_asked_until_there_are_enough():
    seeds, labels, blocks = found(plan.per_class({0: 4, 1: 4}, 10), [modulo(3)])
    assert all(seed % 3 == 0 for seed in seeds)
    assert sorted(labels) == [0] * 4 + [1] * 4
    assert seeds == sorted(seeds)
    progress = blocks[-1][1]
    assert progress.kept == [4, 4]
    assert all(10 <= tried <= 13 for tried in progress.tried)
    assert blocks[0][0].values["rest"].tolist() == [0] * len(blocks[0][0].seeds)


def test_it_goes_on_from_any_block(monkeypatch):
    monkeypatch.setattr(search, "LARGEST_BLOCK", 4)
    wanted = plan.per_class({0: 9, 1: 5}, 10)
    seeds, labels, blocks = found(wanted, [modulo(3)])
    assert len(blocks) > 4
    for _, progress in blocks[:-1]:
        rest, named, _ = found(wanted, [modulo(3)], progress)
        assert seeds[-len(rest):] == rest
        assert labels[-len(rest):] == named


def test_what_is_hardly_ever_kept_ends(monkeypatch):
    monkeypatch.setattr(search, "PATIENCE", 300)
    monkeypatch.setattr(search, "MOST_TRIES", 300)
    with pytest.raises(InputError, match=r"images of class 1 0 passed --gate, and 2 are wanted"):
        found(plan.per_class({0: 1, 1: 2}, 10), [Gate("--gate", None, {}, lambda made, seeds, labels: (
            seeds, labels == 0))])


def test_seeds_run_out():
    with pytest.raises(InputError, match="no seeds left"):
        found(plan.per_class({0: 5000}, 2**32 - 3000), progress=Progress(2**32 - 3000, [0], [0]))


def test_rare_classes_are_filled_up():
    have = np.asarray([60, 30, 10])
    assert plan.filled(have, None, range(3), 0).counts == {1: 30, 2: 50}
    assert plan.filled(have, 40, (0, 2), 0).counts == {2: 30}
    with pytest.raises(InputError, match="has 10 real images or more already"):
        plan.filled(have, 10, range(3), 0)
    assert plan.balanced(7, (1, 4, 5), 0).counts == {1: 3, 4: 2, 5: 2}


def test_folders_are_names_that_files_may_have():
    class Of:
        label_kind = "class"

        def __init__(self, *names):
            self.class_names, self.num_classes = names, len(names)
    assert plan.folder_names(Of("9", "10", "2")) == ["09", "10", "02"]
    assert plan.folder_names(Of("cat", "big dog")) == ["cat", "big dog"]
    assert plan.folder_names(Of("a/b", "..", "c")) == ["a_b", "__", "c"]
    assert plan.folder_names(Of("a/b", "a_b", "")) == ["0_a_b", "1_a_b", "2"]
    assert plan.folder_names(Of("X", "x")) == ["0_X", "1_x"]
