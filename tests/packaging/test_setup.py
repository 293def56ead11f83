from __future__ import annotations

from types import SimpleNamespace

import setup
from project import ROOT


def test_options_name_one_architecture_our_own_packages_and_no_ready_made_environment() -> None:
    options = setup.options()
    assert options["arch"] == "arm64"
    assert {"engine", "desktop", "torch", "PIL", "shiboken6"} <= set(options["packages"])
    assert "av" in options["excludes"]
    assert not any(options[key] for key in ("site_packages", "semi_standalone", "argv_emulation"))
    for place in (setup.BUILD, setup.DIST):
        assert place.is_relative_to(ROOT)


def test_recipes_that_change_every_start_are_dropped_and_others_stay() -> None:
    def check(*_: object) -> dict[str, object]:
        return {"prescripts": ["something"]}

    names = (*setup.UNWANTED_RECIPES, "multiprocessing")
    recipes = SimpleNamespace(**{name: SimpleNamespace(check=check) for name in names})
    setup.drop_recipes(recipes)
    assert [getattr(recipes, name).check(None, None) for name in names] == [
        None,
        None,
        {"prescripts": ["something"]},
    ]
