"""A part of a package comes alone, and whoever needs the whole gets it."""

from __future__ import annotations

import sys

import pytest

from keypoint_extractors.part_of_package import import_part


@pytest.fixture
def heavy(tmp_path, monkeypatch):
    """The name of a package whose start imports more than one of its parts needs."""
    name = "heavy_package_of_this_test"
    folder = tmp_path / name / "inner"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text(
        f"from {name}.inner import light\nimport {name}.plots as plots\n__version__ = '3'\ndel inner\n"
    )
    (folder.parent / "plots.py").write_text("colour = 'red'\n")
    (folder / "__init__.py").write_text("")
    (folder / "light.py").write_text("weight = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def test_the_part_comes_without_what_the_package_imports(heavy):
    assert import_part(heavy, "inner.light").weight == 1
    assert f"{heavy}.plots" not in sys.modules


def test_who_imports_the_package_afterwards_has_all_of_it_and_the_same_part(heavy):
    light = import_part(heavy, "inner.light")
    whole = __import__(heavy)
    assert whole.__version__ == "3"
    assert whole.plots.colour == "red"
    assert whole.light is light
    assert import_part(heavy, "inner.light") is light


def test_a_name_that_the_package_lacks_is_an_attribute_error(heavy):
    import_part(heavy, "inner.light")
    with pytest.raises(AttributeError, match="nothing"):
        _ = sys.modules[heavy].nothing


def test_a_package_that_is_there_is_used_as_it_is(heavy):
    whole = __import__(heavy)
    assert import_part(heavy, "plots") is whole.plots


@pytest.mark.parametrize(("package", "module"), [("no_such_package_here", "x"), ("json", "no_such_module")])
def test_what_is_not_there_is_an_import_error(package, module):
    with pytest.raises(ModuleNotFoundError):
        import_part(package, module)
    assert "no_such_package_here" not in sys.modules
