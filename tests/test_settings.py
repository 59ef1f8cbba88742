"""Every setting of a recipe: reached from the command line, written and read back, refused in one line, and listed."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fame.config import FAMEConfig
from fame.errors import FameError
from fame.make.configs import CardText, Comparison, DataConfig, GuidanceConfig, PlantedConfig, TrainConfig
from fame.make.recipe import Recipe, every_setting, load_recipe, overrides, to_toml

RECIPES = Path(__file__).resolve().parents[1] / "recipes"


@pytest.mark.parametrize(
    ("texts", "tables"),
    [
        (["model.n_heads=2", "guidance.sup=0.1"], {"model": {"n_heads": 2}, "guidance": {"sup": 0.1}}),
        (["guidance.heads=genres,,decade"], {"guidance": {"heads": ["genres", "", "decade"]}}),
        (["comparison.seeds=3"], {"comparison": {"seeds": [3]}}),
        (["comparison.seeds=[3, 4]", "maps=false"], {"comparison": {"seeds": [3, 4]}, "maps": False}),
        (["name=12", "model.variant=sasrec"], {"name": "12", "model": {"variant": "sasrec"}}),
        (["card.summary=a=b"], {"card": {"summary": "a=b"}}),
        (["data.path=~/log.csv"], {"data": {"path": Path.home() / "log.csv"}}),
        (["data.planted.noise=0.5"], {"data": {"planted": {"noise": 0.5}}}),
        (["model.n_heads=two"], {"model": {"n_heads": "two"}}),
    ],
)
def test_overrides_are_read_as_their_settings_types(texts: list[str], tables: dict[str, Any]) -> None:
    assert overrides(texts) == tables


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_heads=2", "there is no setting 'n_heads'; did you mean 'model.n_heads'"),
        ("model.n_head=2", "did you mean 'model.n_heads'"),
        ("xyz=1", "`fame train --help` lists them"),
        ("model.n_items=5", "there is no setting 'model.n_items'"),
        ("model.n_heads=two", r"\[model\] n_heads is 'two'; expected a whole number of at least 1"),
        ("data.planted.noise=2", r"\[data.planted\] noise is 2; expected a number from 0 to 1"),
        ("comparison.seeds=1,x", r"\[comparison\] seeds has 'x'; expected whole numbers in brackets"),
        ("maps=perhaps", "maps is 'perhaps'; expected true or false"),
        ("data.items=", r"\[data\] items is ''; expected a path"),
    ],
)
def test_an_override_that_does_not_fit_says_so(text: str, message: str) -> None:
    with pytest.raises(FameError, match=message):
        load_recipe(RECIPES / "planted.toml", overrides([text]))


def test_every_setting_is_described_and_reached() -> None:
    planted = load_recipe(RECIPES / "planted.toml")
    for name, setting in every_setting().items():
        assert setting.description.endswith("."), name
        table: Any = planted
        for part in name.split("."):
            table = getattr(table, part)


def widths() -> st.SearchStrategy[tuple[int, int, int]]:
    """Heads, width and backbone heads that fit together."""
    small = st.integers(1, 4)
    return st.tuples(small, small, small).map(lambda t: (t[0], t[0] * t[1] * t[2], t[2]))


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
PATHS = st.from_regex(r"/[a-z\"'\\ é]{1,9}", fullmatch=True).map(Path)
SHARES = st.floats(0, 1)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    heads, width, backbone = draw(widths())
    model = FAMEConfig(n_items=1, n_heads=heads, d_model=width, backbone_heads=backbone, dropout=draw(SHARES) / 2)
    training = TrainConfig(
        epochs=draw(st.integers(1, 2**32 - 1)),
        learning_rate=draw(st.floats(0, 10, exclude_min=True, exclude_max=True)),
        schedule=draw(st.sampled_from(["constant", "cosine"])),
        seed=draw(st.integers(0, 99)),
    )
    facets = st.lists(TEXT, min_size=1, max_size=3, unique=True).map(tuple)
    planted = st.builds(PlantedConfig, facets=facets, noise=SHARES)
    simulated = st.builds(lambda items, p: DataConfig("planted", items=items, planted=p), PATHS, st.none() | planted)
    logs = st.builds(lambda path, user, k: DataConfig("csv", path, user=user, k_core=k), PATHS, TEXT, st.integers(0, 9))
    baseline = replace(model, variant="sasrec")
    seeds = st.lists(st.integers(0, 9), min_size=1, unique=True).map(tuple)
    comparison = st.builds(lambda seeds, probe: Comparison(baseline, training, seeds, probe), seeds, st.booleans())
    return Recipe(
        name=draw(st.from_regex(r"[a-z0-9_][a-z0-9_.-]{0,9}", fullmatch=True)),
        data=draw(simulated | logs),
        model=model,
        training=training,
        guidance=GuidanceConfig(heads=(draw(TEXT) or "a", ""), sup=draw(st.floats(0.1, 99)), mi=draw(st.floats(0, 99))),
        card=CardText(title=draw(TEXT), summary=draw(TEXT)),
        comparison=draw(st.none() | comparison),
        examples=draw(st.none() | PATHS),
        maps=draw(st.booleans()),
    )


@given(recipe=recipes())
def test_a_recipe_written_as_toml_is_read_back_as_the_same(
    recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("toml") / "again.toml"
    path.write_text(to_toml(recipe), encoding="utf-8", newline="")
    again = load_recipe(path)
    assert again == recipe and hash(again) == hash(recipe)


def test_an_odd_width_gets_blocks_of_one_head() -> None:
    tables: dict[str, Any] = {
        "name": "a",
        "data": {"form": "csv", "path": "log.csv"},
        "model": {"n_heads": 3, "d_model": 63},
        "comparison": {},
    }
    odd = Recipe.from_tables(tables)
    assert odd.model.backbone_heads == 1
    assert odd.comparison is not None and odd.comparison.model.backbone_heads == 1
    tables["model"]["backbone_heads"] = 2
    with pytest.raises(FameError, match=r"\[model\] d_model 63 does not divide by backbone_heads 2; choose a width"):
        Recipe.from_tables(tables)


def test_the_page_of_settings_is_current() -> None:
    docs = RECIPES.parent / "docs"
    made = runpy.run_path(str(docs / "settings.py"))["page"]()
    assert (docs / "settings.md").read_text(encoding="utf-8") == made, "run `python docs/settings.py`"
