"""What is checked of a method: with every backbone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmark import plugins
from benchmark.checking.cell import Case
from benchmark.checking.cost import check_cost
from benchmark.checking.finding import Finding, Verdict, failure
from benchmark.checking.model import check_models
from benchmark.checking.settings import check_acts, check_ranges, check_refused
from benchmark.config import CONTROL
from benchmark.contracts import Backbone
from benchmark.errors import Incompatible, UserError
from benchmark.faults import place_of
from benchmark.method import Method


def check_method(name: str, backbones: Sequence[str] | None, presets: bool, cost: bool) -> Iterator[Finding]:
    """``name`` may be that of a preset. ``backbones`` to check it with, None: every one; ``presets``: build those of a method, too;
    ``cost``: measure time."""
    owner: type[Method] = plugins.plugin("methods", name)
    place = place_of(owner, "build")
    yield from check_ranges(owner, name)
    try:
        method: Method = plugins.make("methods", name, {})
    except UserError as error:
        yield failure("settings", error, place)
        return
    yield from check_refused(method)
    refused: dict[str, list[str]] = {}
    cases: dict[str, Case] = {}
    broken: dict[str, tuple[BaseException, list[str]]] = {}
    recipes = _recipes(owner, backbones)
    for backbone, recipe in recipes.items():
        case = Case(method, recipe, place)
        try:
            _ = case.fresh
            cases[backbone] = case
        except Incompatible as error:
            refused.setdefault(str(error), []).append(backbone)
        except (Exception, SystemExit) as error:
            broken.setdefault(str(failure("builds", error, place)), (error, []))[1].append(backbone)
    if cases:
        yield Finding("ok", "builds", f"with {', '.join(cases)}")
    for words, names in refused.items():
        nowhere = not (cases or broken) and (backbones is None or not owner.uses_backbone)  # each of them was tried
        verdict: Verdict = "ok" if cases or broken else "FAILED" if nowhere else "note"
        yield Finding(
            verdict, "builds", f"{f'{place}: ' if nowhere else ''}Incompatible with {', '.join(names)}: {words or 'it does not say why'}"
        )
    for raised, names in broken.values():
        yield failure("builds", raised, place, names if len(names) < len(recipes) else ())
    if presets and ":" not in name:
        yield from _check_presets(name, owner, recipes)
    yield from check_models(cases, place)
    if ":" not in name:  # a preset's settings are those of its method
        yield from check_acts(owner, "method", cases, place)
    if cost and owner.uses_backbone and cases and name != CONTROL:
        yield from check_cost([name], next(iter(cases)), place)


def _recipes(owner: type[Method], backbones: Sequence[str] | None) -> dict[str, Backbone | None]:
    """Those that can be made: a broken file of another is not this method's."""
    if not owner.uses_backbone:
        return {"no backbone": None}
    found: dict[str, Backbone | None] = {}
    for name in plugins.names("backbones") if backbones is None else backbones:
        try:
            found[name] = plugins.make("backbones", name, {})
        except UserError:
            continue
    return found


def _check_presets(name: str, owner: type[Method], recipes: Mapping[str, Backbone | None]) -> Iterator[Finding]:
    """Each can be made and built with some backbone, and differs from the defaults and from every other."""
    if owner.former and owner.former not in owner.presets:
        known = ", ".join(owner.presets) or "none"
        yield Finding("FAILED", "presets", f"{place_of(owner, 'former')}: former is {owner.former!r}, which is no preset; known: {known}")
    made: dict[str, Any] = {"the defaults": plugins.make("methods", name, {})}
    for preset in owner.presets:
        where = place_of(owner, "presets")
        try:
            method = plugins.make("methods", f"{name}:{preset}", {})
            same = next((other for other, one in made.items() if one == method), None)
            if same is not None:
                yield Finding("FAILED", "presets", f"{where}: {preset} is the same as {same}")
            made[preset] = method
            reasons = []
            for recipe in recipes.values():
                try:
                    _ = Case(method, recipe).fresh
                    break
                except Incompatible as error:
                    reasons.append(str(error))
            else:
                yield Finding("FAILED", "presets", f"{where}: {preset} cannot be built with any backbone: {reasons[0]}")
        except (Exception, SystemExit) as error:
            yield failure("presets", error, f"{where}: {preset}")
    if owner.presets and len(made) == len(owner.presets) + 1:
        yield Finding("ok", "presets", f"each can be made and built: {', '.join(owner.presets)}")
