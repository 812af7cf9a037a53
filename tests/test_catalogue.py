"""Looking parts up by the name a config gives them."""

import sys

import pytest

from jaxgan import catalogue
from jaxgan.errors import InputError


def ring(radius: float = 1.0, *, modes: int = 8) -> tuple:
    return radius, modes


def needy(depth: int, width: int = 4) -> tuple:
    return depth, width


CATALOGUE = {"ring": ring, "needy": needy, "bare": lambda: "bare"}


@pytest.mark.parametrize(("spec", "context", "expected"), [
    ("ring", {}, (1.0, 8)),
    ({"name": "ring"}, {}, (1.0, 8)),
    ({"name": "ring", "modes": 25}, {}, (1.0, 25)),
    ({"name": "needy", "width": 2}, {"depth": 3}, (3, 2)),
])
def test_build(spec, context, expected):
    assert catalogue.build(CATALOGUE, spec, "data", **context) == expected


def test_build_leaves_the_spec_alone():
    spec = {"name": "ring", "radius": 2.0}
    catalogue.build(CATALOGUE, spec, "data")
    assert spec == {"name": "ring", "radius": 2.0}


@pytest.mark.parametrize(("spec", "message"), [
    ("rign", r"config\.data: there is no 'rign'\. Did you mean 'ring'\?"),
    ("zebra", r"config\.data: there is no 'zebra'\. Options: bare, needy, ring\."),
    ({"radius": 2.0}, r"config\.data needs a name"),
    ({"name": "ring", "radus": 2.0}, r"config\.data\.radus: ring takes no such argument\. Did you mean 'radius'\?"),
    ({"name": "needy"}, r"config\.data: needy needs depth\."),
    ({"name": "bare", "size": 1}, r"config\.data\.size: .* takes no such argument\. It takes none\."),
])
def test_mistakes_are_named(spec, message):
    with pytest.raises(InputError, match=message):
        catalogue.build(CATALOGUE, spec, "data")


def test_context_is_offered_and_the_spec_wins():
    """What the engine knows goes to factories that take it, unless the config says otherwise."""
    assert catalogue.build(CATALOGUE, {"name": "needy", "depth": 9}, "data", depth=1, unheard=2) == (9, 4)
    assert catalogue.build(CATALOGUE, "ring", "data", depth=1) == (1.0, 8)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"modes": "eight"}, r"config\.data\.modes must be a whole number; got 'eight'"),
    ({"modes": 8.5}, r"config\.data\.modes must be a whole number; got 8\.5"),
    ({"modes": True}, r"config\.data\.modes must be a whole number; got True"),
    ({"radius": None}, r"config\.data\.radius must be a number; got None"),
])
def test_a_value_of_the_wrong_type_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        catalogue.build(CATALOGUE, {"name": "ring", **arguments}, "data")


def test_a_whole_number_will_do_for_a_number():
    assert catalogue.build(CATALOGUE, {"name": "ring", "radius": 2}, "data") == (2, 8)


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A module of the user's own, on the path and forgotten afterwards: another test may have one of this name."""
    (tmp_path / "my_parts.py").write_text("def softmargin(scale=1.0):\n    return ('softmargin', scale)\n")
    (tmp_path / "my_broken.py").write_text("import a_package_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_parts", None)


@pytest.mark.usefixtures("outside")
def test_a_part_from_outside():
    assert catalogue.build(CATALOGUE, "my_parts:softmargin", "loss") == ("softmargin", 1.0)
    spec = {"name": "my_parts:softmargin", "scale": 2.0}
    assert catalogue.build(CATALOGUE, spec, "loss") == ("softmargin", 2.0)


@pytest.mark.parametrize(("name", "message"), [
    ("my_pearts:softmargin", r"config\.loss: cannot import 'my_pearts'"),
    ("my_broken:anything", r"config\.loss: cannot import 'my_broken' \(.*a_package_nobody_has"),
    ("my_parts:softmargni", r"config\.loss: 'my_parts' has no 'softmargni'\. Did you mean 'softmargin'\?"),
])
@pytest.mark.usefixtures("outside")
def test_a_part_from_outside_that_is_not_there(name, message):
    with pytest.raises(InputError, match=message):
        catalogue.build(CATALOGUE, name, "loss")
