"""What is built, and the papers beside it. `.ci/packages` installs it and tries it outside the checkout."""

import re
import tomllib
import zipfile

import pytest
import yaml

import jaxgan
from jaxgan import cli
from jaxgan import config as config_lib
from jaxgan.errors import InputError


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    """The names in the wheel, and what its metadata say."""
    builder = pytest.importorskip("hatchling.builders.wheel")
    folder = tmp_path_factory.mktemp("wheel")
    path, = builder.WheelBuilder(str(root)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
        texts = {name.rpartition("/")[2]: file.read(name).decode() for name in names if ".dist-info/" in name}
    return names, texts


def test_the_wheel_has_the_package_with_recipes_types_and_page(wheel, root):
    names, texts = wheel
    tops = {name.split("/")[0] for name in names}
    assert tops == {"jaxgan", f"jaxgan-{jaxgan.__version__}.dist-info"}
    recipes = {path.name for path in (root / "configs").glob("*.py")}
    assert {name.rpartition("/")[2] for name in names if name.startswith("jaxgan/configs/")} == recipes
    for path in (root / "jaxgan").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(root).as_posix() in names
    assert "jaxgan = jaxgan.cli:entry" in texts["entry_points.txt"]


def test_recipes_are_found_by_name():
    assert {"dcgan", "stylegan2_ada", "ring"} <= set(config_lib.recipes())
    assert config_lib.differences(config_lib.load("dcgan:tiny"), config_lib.load(
        f"{config_lib.recipes()['dcgan']}:tiny")) == []
    assert config_lib.run_name("dcgan:folder:my/cats", {"data": "folder"}) == "dcgan-folder-my-cats"
    with pytest.raises(InputError, match=r"There is no recipe 'dcgn'\. Did you mean 'dcgan'"):
        config_lib.load("dcgn")
    with pytest.raises(InputError, match="or a recipe by name: --config=dcgan"):
        config_lib.load("nowhere/dcgan.py")


def test_the_console_script_hands_on(capsys, monkeypatch):
    assert cli.main([]) == 0
    assert set(re.findall(r"^  (\w+)", capsys.readouterr().out, flags=re.MULTILINE)) == set(cli.COMMANDS)
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{jaxgan.__version__}\n"
    with pytest.raises(InputError, match=r"There is no command 'trian'\. Did you mean 'train'"):
        cli.main(["trian"])
    with pytest.raises(InputError, match="There is no recipe 'dcgn'"):
        cli.main(["train", "--config=dcgn"])


def test_the_console_script_knows_every_command(root):
    """Every module that ends in `command.run(main)` is one of its words."""
    modules = {path.stem for path in (root / "jaxgan").glob("*.py")
               if path.read_text(encoding="utf-8").endswith('if __name__ == "__main__":\n    command.run(main)\n')}
    assert {module for module, _ in cli.COMMANDS.values()} == modules


def test_the_papers_agree_on_the_version(root):
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format asks for
    assert citation["version"] == jaxgan.__version__
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["license"] == project["license"]
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert jaxgan.__version__ in re.findall(r"\d+\.\d+\.\d+", changes)


def test_the_hooks_are_the_linters(root):
    hooks = yaml.safe_load((root / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert {hook["id"] for hook in hooks} == {"ruff", "lint-imports"}


def test_contributing_names_what_there_is(root):
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:jaxgan|tests|experiments|configs)/[\w/.]*)`", text):
        assert "NAME" in name or (root / name).exists(), name
