"""What a card asks to be done, as a button: while presenting, the controls that do it are not shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from app import lesson_path, session, widgets
from app.lesson_path import Place
from app.screen import Screen
from app.screens import atlas
from fame.explain import Remove
from fame.lessons import Scene

__all__ = ["deed_button", "without_most_missed"]


def deed_button(screen: Screen, here: Place, done: bool) -> None:
    """The card's deed, or its next step; once it is done, the way back to the card's beginning."""
    if not here.card.do:
        return
    if done:
        page = len(lesson_path.pages(here.card))
        st.button("As before", key="lesson_deed_undo", on_click=lesson_path.go, args=(here.lesson.name, here.at, page))
        return
    label, changes = _deed(screen, here)
    if changes:
        st.button(label, key="lesson_deed", type="primary", on_click=session.update, kwargs=changes)


def _deed(screen: Screen, here: Place) -> tuple[str, dict[str, Any]]:
    """What the button says, and the changes of the state that a visitor's own gesture would make; {} for none."""
    now, scene, heads, one = screen.state, here.scene, screen.bundle.config.n_heads, screen.words["one"]
    if here.card.do == "train":
        return "Next epoch", {"lesson_epoch": str(scene.epoch + 1)} if screen.bundle.course else {}
    if here.card.do == "colour":
        return "Colour by another attribute", _recoloured(screen)
    if here.card.do == "head":
        return "Next head", {"head": (screen.head + 1) % heads} if heads > 1 else {}
    if not now.history:
        return "", {}
    others = [int(row) for row in scene.trace.ranking(exclude_history=now.hide_seen)[:2] if row != scene.row]
    match here.card.do:
        case "shorten":
            return f"Take the last {one} away", {"history": now.history[:-1]}
        case "lengthen":
            return f"Add the first {one} of the list", {"history": (*now.history, int(scene.trace.ranking()[0]))}
        case "choose":
            return f"Another {one}", {"item": others[0]} if others else {}
        case "mute":
            off = (int(scene.trace.gate[-1].argmax()),)
            return "Mute the head with most say", (
                {"intervention": replace(now.intervention, heads_off=off)} if heads > 1 else {}
            )
        case "leave-out" if len(now.history) > 1:
            title = screen.bundle.catalogue.title[scene.trace.items[scene.missed]]
            return widgets.literal(f"Leave out {title}"), {"b": (without_most_missed(scene),)}
    return "", {}


def without_most_missed(scene: Scene) -> Remove:
    """The change that leaves out the item without which the item looked at loses most places."""
    row = scene.trace.items[scene.missed]
    return Remove(scene.missed, str(scene.bundle.catalogue.item_id[row]))


def _recoloured(screen: Screen) -> dict[str, Any]:
    """The attribute after the one that colours the maps."""
    maps = replace(screen, name="atlas", declaration=atlas.SCREEN)
    names = [name for name in screen.bundle.catalogue.attributes if maps.fits("atlas_colour", name)]
    shown = maps.option("atlas_colour")
    if len(names) < 2 or shown not in names:
        return {}
    return {"atlas_colour": names[(names.index(shown) + 1) % len(names)], "atlas_values": None}
