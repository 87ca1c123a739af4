"""Template: say in one sentence how rows interact; then the formula of a layer, its source, what is yours.

    x_{l+1} = x_l + x_0 ⊙ (W x_l),  x_l (N×d), W (N×N) for each embedding set

A file is one backbone, named after the file. `python -m benchmark check template_name` tests it.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from benchmark.contracts import MOST_DEPTH, Backbone, Layout, setting, tuned
from benchmark.nn.linear import SetMLP, Tower
from benchmark.nn.rows import LastState, RowMixing


# A recipe, one frozen dataclass: it owns no parameters. Methods have it made once (one set), for S sets, or behind a block per layer, so
# every part is made anew for the Layout (sets S, fields F, dimension d) that it is asked for, with weights of its own for each set.
@dataclass(frozen=True, kw_only=True)
class Template(Backbone):
    summary = "layers that multiply the embedding by mixed rows, then an MLP; rows are fields at every layer"  # a line of `list`
    source = "a template: name the paper here, or say that it is yours"
    residual = True  # x_{l+1} = x_l + layer(x_l, x_0): the layer gives its term alone. Then all shapes are the same
    field_rows = True  # row n of every state is field n: spectra are then averaged over the same fields at every layer
    hidden_widths = ("hidden",)  # settings by which a method may make the model larger; width_step: what each must be a multiple of

    # Every backbone has a depth; a suite may vary it. tuned and setting: as in methods (benchmark/settings.py).
    depth: int = setting(2, at_least=1, at_most=MOST_DEPTH, help="interaction layers L")
    hidden: tuple[int, ...] = setting((64, 64), at_least=1, help="units of the MLP's layers")
    dropout: float = tuned(0.2, low=0.0, high=0.5, step=0.1, at_least=0, below=1, help="of the MLP")

    def reads_embedding(self, index: int) -> bool:
        return True  # layer index multiplies what it is handed with x0; False if you leave it out

    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        # (N_l, d_l) for l = 0…L, the first (F, d). raise Incompatible("why") for sizes that cannot be, such as a single field.
        return ((layout.fields, layout.dimension),) * (self.depth + 1)

    def layer(self, index: int, layout: Layout) -> nn.Module:
        # A module (x (B, S, N_l, d_l), x0 (B, S, F, d)) -> (B, S, N_{l+1}, d_{l+1})
        return MixedProduct(layout)

    def readout(self, layout: Layout) -> nn.Module:
        # A module (states 0…L) -> (B, S, H). It holds the first MLP layer: sets are averaged behind a non-linearity.
        width = layout.fields * layout.dimension
        return LastState(SetMLP(layout.sets, width, self.hidden[:1], self.dropout, batch_norm=True))

    def head(self, layout: Layout) -> nn.Module:
        # A module (mean of the readouts over the sets (B, H)) -> logits (B,)
        width = self.hidden[0] if self.hidden else layout.fields * layout.dimension
        return Tower(width, self.hidden[1:], self.dropout, batch_norm=True)


class MixedProduct(nn.Module):
    """Sets are a dimension: batched products (benchmark/nn/linear.py, rows.py), no loop over sets."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.mixing = RowMixing(layout.sets, layout.fields, layout.fields)

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """(B, S, F, d), (B, S, F, d) -> (B, S, F, d)"""
        term: Tensor = x0 * self.mixing(x)
        return term
