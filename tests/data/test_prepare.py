import importlib.util
import sys

import pytest

from jaxgan import prepare
from jaxgan.errors import InputError


@pytest.fixture
def without_tensorflow(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorflow" else find_spec(name))


def test_a_prepared_set_is_left_alone(shared, capsys):
    prepare.main(["--dataset=mnist", f"--dir={shared('data/tfds')}"])
    assert capsys.readouterr().out.startswith("mnist is prepared already, in ")


def test_without_tensorflow(tmp_path, without_tensorflow):
    with pytest.raises(InputError, match=r"needs TensorFlow: pip install 'jaxgan\[prepare\]'"):
        prepare.main(["--dataset=mnist", f"--dir={tmp_path}"])
    assert "tensorflow" not in sys.modules


def test_unknown_names(tmp_path):
    with pytest.raises(InputError, match=r"--dataset: TFDS has no data set 'cifr10'\. Did you mean .*'cifar10'"):
        prepare.main(["--dataset=cifr10", f"--dir={tmp_path}"])
    with pytest.raises(InputError, match="--dataset must look like"):
        prepare.main(["--dataset=../x"])
    with pytest.raises(InputError, match="--dataset"):
        prepare.main([])


def test_what_tfds_is_asked_for(tmp_path, monkeypatch, capsys):
    class Builder:
        data_dir = tmp_path / "mnist/3.0.1"
        built = False

        def download_and_prepare(self):
            Builder.built = True

    def builder(name, data_dir, file_format):
        assert (name, data_dir, file_format) == ("mnist", tmp_path, "array_record")
        return Builder()

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr("tensorflow_datasets.builder", builder)
    prepare.main(["--dataset=mnist", f"--dir={tmp_path}"])
    assert Builder.built
    assert capsys.readouterr().out == f"mnist is prepared in {tmp_path}/mnist/3.0.1\n"


def test_what_goes_together():
    for arguments in (["--dataset=mnist", "--from=x"], ["--weights=inception", "--dir=x"]):
        with pytest.raises(InputError, match="--dir goes with --dataset, --from with --weights"):
            prepare.main(arguments)
    with pytest.raises(InputError, match="not allowed with"):
        prepare.main(["--dataset=mnist", "--weights=inception"])
    with pytest.raises(InputError, match=r"--weights: there are none called 'inceptoin'\. Did you mean 'inception'"):
        prepare.main(["--weights=inceptoin"])
