import hashlib
import itertools
import time

import numpy as np
import pytest

from jaxgan import data
from jaxgan.data import Arrays, Info
from jaxgan.data.pipeline import Batches, batch_indices, materialise
from jaxgan.errors import InputError


class Foreign:
    """A source written by somebody else: only what the protocol asks for."""

    info = Info(name="foreign", shape=(2, 3, 1), num_classes=3, label_kind="class")

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return {"image": np.full((2, 3, 1), index, np.uint8), "label": index % 3}


@pytest.mark.parametrize(("num_examples", "batch_size"), [(10, 10), (10, 4), (7, 3), (5, 64), (1, 3), (100, 7)])
def test_every_epoch_is_a_permutation(num_examples, batch_size):
    epochs = 6
    count = -(-epochs * num_examples // batch_size)
    stream = np.concatenate([batch_indices(num_examples, batch_size, 3, k) for k in range(count)])
    assert stream.dtype == np.int64
    orders = stream[:epochs * num_examples].reshape(epochs, num_examples)
    assert (np.sort(orders, axis=1) == np.arange(num_examples)).all()
    if num_examples >= 7:
        assert len({tuple(order) for order in orders}) == epochs


def test_the_stream_does_not_depend_on_the_batch_size():
    small = np.concatenate([batch_indices(50, 8, 0, k) for k in range(16)])
    large = np.concatenate([batch_indices(50, 64, 0, k) for k in range(2)])
    np.testing.assert_array_equal(small, large)


def test_access_is_random_and_a_function_of_the_seed():
    late = batch_indices(1000, 64, 5, 12345)
    batch_indices(1000, 64, 5, 0)
    np.testing.assert_array_equal(batch_indices(1000, 64, 5, 12345), late)
    assert (batch_indices(1000, 64, 6, 12345) != late).any()


def test_the_order_is_pinned():
    # A change here changes every seeded run.
    stream = np.concatenate([batch_indices(1797, 64, 0, k) for k in range(100)])
    assert hashlib.sha256(stream.astype("<i8")).hexdigest() == (
        "52a61e053efbe55c8d5c0418e02756f00f4492ba9f4f81facadcf02a8097082b")


def test_thousands_of_calls_a_second():
    start = time.process_time()
    for k in range(2000):
        batch_indices(60_000, 64, 0, k)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("arguments", [(0, 1, 0, 0), (1, 0, 0, 0), (1, 1, -1, 0), (1, 1, 0, -1)])
def test_impossible_batches(arguments):
    with pytest.raises(InputError, match="num_examples"):
        batch_indices(*arguments)


@pytest.mark.parametrize("memory_limit", [1 << 20, 0])
def test_processes_share_a_batch(memory_limit):
    whole = Batches(Foreign(), 8, seed=1, memory_limit=memory_limit)
    for process_count in (2, 4):
        parts = [Batches(Foreign(), 8, 1, i, process_count, memory_limit) for i in range(process_count)]
        for k in (0, 1, 7):
            joined = np.concatenate([part[k]["image"] for part in parts])
            np.testing.assert_array_equal(joined, whole[k]["image"])
            np.testing.assert_array_equal(np.concatenate([p.indices(k) for p in parts]), whole.indices(k))
    with pytest.raises(InputError, match=r"config\.batch_size must be a positive multiple of the 3 processes; got 8"):
        Batches(Foreign(), 8, 1, 0, 3)


@pytest.mark.parametrize("memory_limit", [1 << 20, 0])
def test_batches_hold_the_examples_of_their_indices(memory_limit):
    batches = Batches(Foreign(), 4, seed=0, memory_limit=memory_limit)
    assert batches.num_examples == 10
    assert (batches.arrays is None) == (memory_limit == 0)
    indices = batches.indices(3)
    batch = batches[3]
    assert batch["image"].shape == (4, 2, 3, 1)
    assert batch["image"].dtype == np.uint8
    assert batch["image"][:, 0, 0, 0].tolist() == indices.tolist()
    assert batch["label"].tolist() == (indices % 3).tolist()
    assert batch["label"].dtype == np.int32
    stacked = batches.gather(np.stack([indices, indices[::-1]]))
    assert stacked["image"].shape == (2, 4, 2, 3, 1)
    assert stacked["label"].shape == (2, 4)
    np.testing.assert_array_equal(stacked["image"][1], batch["image"][::-1])


@pytest.mark.parametrize("memory_limit", [1 << 20, 0])
def test_streaming_reads_ahead_in_order(memory_limit):
    batches = Batches(Foreign(), 4, seed=0, memory_limit=memory_limit)
    for k, batch in enumerate(itertools.islice(batches.stream(5), 12), start=5):
        np.testing.assert_array_equal(batch["image"], batches[k]["image"])
        np.testing.assert_array_equal(batch["label"], batches[k]["label"])


def test_residence_is_decided_by_size():
    arrays = Arrays(np.zeros((4, 2, 2, 1), np.uint8), None)
    assert Batches(arrays, 2, 0).resident
    assert not Batches(arrays, 2, 0, device_memory_limit=15).resident
    assert "label" not in Batches(arrays, 2, 0)[0]
    assert not Batches(Foreign(), 2, 0, memory_limit=0).resident


def test_materialise_and_hash_take_any_source():
    images, labels = materialise(Foreign())
    assert images[:, 0, 0, 0].tolist() == list(range(10))
    assert labels.tolist() == [i % 3 for i in range(10)]
    same = data.source.ArraySource(images, labels, Foreign.info)
    assert data.source.content_hash(Foreign()) == same.info.content_hash
    other = data.source.ArraySource(images, labels[::-1].copy(), Foreign.info)
    assert other.info.content_hash != same.info.content_hash
