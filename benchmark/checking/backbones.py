"""What is checked of a backbone: its recipe, and models of the three methods that use it in different ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from benchmark import plugins
from benchmark.checking.cell import BATCH, DIMENSION, SCALE, SCHEMA, SEED, Case
from benchmark.checking.cost import check_cost
from benchmark.checking.finding import Check, Finding, Note, Said, failure, findings
from benchmark.checking.model import check_models
from benchmark.checking.settings import check_acts, check_ranges, check_refused
from benchmark.config import CONTROL
from benchmark.contracts import Backbone, Layout
from benchmark.errors import Incompatible, UserError
from benchmark.faults import ContractError, place_of
from benchmark.nn.model import Interaction

METHODS = (CONTROL, "multi_embedding", "roblock")  # once; once for each set; behind a block per layer
ONE, SEVERAL = Layout(1, len(SCHEMA.fields), SCALE * DIMENSION), Layout(SCALE, len(SCHEMA.fields), DIMENSION)


def check_backbone(name: str, methods: Sequence[str] | None, cost: bool) -> Iterator[Finding]:
    """``methods``: those whose models are checked, None: METHODS; ``cost``: measure time."""
    owner: type[Backbone] = plugins.plugin("backbones", name)
    place = place_of(owner)
    yield from check_ranges(owner, name)
    try:
        recipe: Backbone = plugins.make("backbones", name, {})
    except UserError as error:
        yield failure("settings", error, place)
        return
    yield from check_refused(recipe)
    layouts = {
        f"{layout.sets} {'set' if layout.sets == 1 else 'sets'} of {layout.dimension}": (recipe, layout) for layout in (ONE, SEVERAL)
    }
    for check in RECIPE:
        yield from findings(check, layouts, place)
    if not layouts:
        return
    cases = {method: Case(plugins.make("methods", method, {}), recipe, place) for method in methods or METHODS}
    yield from findings(Check("builds", "a model of each method", _built), cases, place)
    yield from check_models(cases, place)
    yield from check_acts(owner, "recipe", cases, place)
    if cost and cases:
        yield from check_cost(list(cases), name, place)


def _built(case: Case) -> Said:
    _ = case.fresh
    return Said()


Instance = tuple[Backbone, Layout]


def shapes(instance: Instance) -> Said:
    """What ``shapes`` says of itself; whether layers keep to it is seen where they run."""
    recipe, layout = instance
    owner = type(recipe)
    try:
        found = recipe.shapes(layout)
    except Incompatible as error:
        raise Note(f"Incompatible: {error}") from None
    wanted = (layout.fields, layout.dimension)
    where = place_of(owner, "shapes")
    if len(found) != recipe.depth + 1 or found[0] != wanted:
        raise ContractError(f"shapes() gives {found}; the contract wants depth + 1 = {recipe.depth + 1} pairs, the first {wanted}", where)
    settings = {field.name for field in dataclasses.fields(recipe)}
    if unknown := sorted(set(recipe.hidden_widths) - settings):
        raise ContractError(f"hidden_widths names {', '.join(unknown)}, which is no setting", place_of(owner, "hidden_widths"))
    if recipe.residual and set(found) != {wanted}:
        raise ContractError(f"residual = True adds a layer's result to its input, but shapes() gives {found}", where)
    if recipe.field_rows and {rows for rows, _ in found} != {layout.fields}:
        raise ContractError(f"field_rows = True says that rows are fields at every layer, but shapes() gives {found}", where)
    return Said("", " -> ".join(f"{rows}x{dimension}" for rows, dimension in found) + " for")


def runs(instance: Instance) -> Said:
    """Interaction holds layers and readout to their shapes."""
    recipe, layout = instance
    if not _possible(instance):
        return Said()
    x0 = torch.randn(BATCH, *layout)
    logits = Interaction(recipe, layout)(x0).logits
    if logits.shape != (BATCH,):
        raise ContractError(
            f"the head gives {tuple(logits.shape)}; the contract wants logits (B,) = ({BATCH},)", place_of(type(recipe), "head")
        )
    return Said()


def owns_nothing(instance: Instance) -> Said:
    """Two instantiations share neither modules nor tensors, and the recipe holds none."""
    recipe, layout = instance
    if not _possible(instance):
        return Said()
    one, other = Interaction(recipe, layout), Interaction(recipe, layout)
    held = [name for name, value in vars(recipe).items() if isinstance(value, (Tensor, nn.Module))]
    shared = {id(part) for part in (*one.modules(), *one.parameters())} & {id(part) for part in (*other.modules(), *other.parameters())}
    if held or shared:
        what = f"it holds {', '.join(held)}" if held else "two instantiations share modules or parameters"
        raise ContractError(
            f"a recipe owns no parameters, but {what}: make them anew in layer(), readout() and head()", place_of(type(recipe))
        )
    return Said()


@torch.no_grad()
def own_sets(instance: Instance) -> Said:
    """Of equal sets the readouts differ, since their weights do; and a set's readout does not see the other's columns."""
    recipe, layout = instance
    if layout.sets == 1 or not _possible(instance):
        return Said()
    torch.manual_seed(SEED)
    interaction, place = Interaction(recipe, layout).eval(), place_of(type(recipe))
    x0 = torch.randn(BATCH, 1, *layout[1:]).expand(-1, layout.sets, -1, -1).contiguous()
    states = [x0.clone()]
    for layer, shape in zip(interaction.layers, interaction.shapes[1:], strict=True):
        before = states[0].clone(), states[-1].clone()
        layer(states[-1], states[0])
        if not (torch.equal(before[0], states[0]) and torch.equal(before[1], states[-1])):
            where = place_of(type(layer), "forward")
            raise ContractError(
                "a layer writes into what it is given, which other layers and the record read: write x = x * …, not x *= …", where
            )
        states.append(torch.randn(BATCH, layout.sets, *shape))
    same = interaction.readout(interaction.states(x0))
    if torch.equal(same[:, 0], same[:, 1]):
        raise ContractError(
            "two equal sets have equal readouts: every set has weights of its own (benchmark/nn/linear.py, SetLinear)", place
        )
    x0[:, 1] += 1
    moved = interaction.readout(interaction.states(x0))
    if not torch.allclose(same[:, 0], moved[:, 0], atol=1e-6, rtol=1e-5):
        raise ContractError("the readout of set 0 changes with the embedding of set 1: sets do not meet before the head", place)
    return Said()


def _possible(instance: Instance) -> bool:
    recipe, layout = instance
    try:
        recipe.shapes(layout)
    except Incompatible:
        return False
    return True


RECIPE = (
    Check("shapes", "depth + 1 pairs (N, d), the fields first", shapes),
    Check("layers", "they give what shapes() says", runs),
    Check("recipe", "it owns no state: two instantiations are independent", owns_nothing),
    Check("sets", "each has its own weights, and they do not meet before the head", own_sets),
)
