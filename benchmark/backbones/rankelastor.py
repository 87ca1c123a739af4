"""RankElastor: RankMixer with learned mixing of all tokens' numbers and gated feed-forward networks, against embedding collapse."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from benchmark.contracts import MOST_DEPTH, Backbone, Layout, setting, tuned
from benchmark.nn.linear import SetMLP, Tower
from benchmark.nn.rows import LastState, RowNorm
from benchmark.nn.tokens import FullMixing, GatedTokenFFN, Tokenise, number_of_tokens


@dataclass(frozen=True, kw_only=True)
class RankElastor(Backbone):
    """m = norm((W + I) x), W over all T·d numbers; then (gelu(m W_1) ⊙ (m W_2)) W_3 + m W_r for every token.

    A reconstruction from the paper's two formulas, quoted second-hand, and its authors' code; where the two differ the formulas are
    followed. The code (github.com/vasile-paskardlgm/RankElastor) has root-mean-square norms, one before the mixing too, biases, a further
    linear term beside the gate, an identity shortcut around the feed-forward network, and a hidden layer in its tokeniser. The norm
    is over a token's d numbers, as in the code. Tokens are made as in rankmixer here, so that the two differ in the paper's two modules and
    in what the MLP sees: the tokens side by side, as in the code.
    """

    summary = "RankMixer with learned full mixing and gated token networks, reconstructed; rows are tokens"
    source = "Li et al., KDD 2026 (arXiv 2605.23191), formulas second-hand: a reconstruction; number of tokens and MLP ours"
    hidden_widths = ("hidden",)

    depth: int = setting(2, at_least=1, at_most=MOST_DEPTH, help="interaction layers L")
    tokens: int = setting(10, at_least=1, help="at most; 15 and 16 in the paper")
    expansion: int = setting(3, at_least=1, help="r")
    hidden: tuple[int, ...] = setting((400, 400), at_least=1, help="units of the MLP's layers")
    dropout: float = tuned(0.2, low=0.0, high=0.5, step=0.1, at_least=0, below=1, help="of the MLP")
    batch_norm: bool = setting(True)

    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        tokens = number_of_tokens(layout.dimension, self.tokens, "rankelastor")
        return ((layout.fields, layout.dimension), *((tokens, layout.dimension),) * self.depth)

    def layer(self, index: int, layout: Layout) -> nn.Module:
        tokens = number_of_tokens(layout.dimension, self.tokens, "rankelastor")
        return Block(
            Tokenise(*layout, tokens) if index == 0 else nn.Identity(),
            FullMixing(layout.sets, tokens, layout.dimension),
            RowNorm(layout.sets, layout.dimension),
            GatedTokenFFN(layout.sets, tokens, layout.dimension, self.expansion),
        )

    def readout(self, layout: Layout) -> nn.Module:
        width = number_of_tokens(layout.dimension, self.tokens, "rankelastor") * layout.dimension
        return LastState(SetMLP(layout.sets, width, self.hidden[:1], self.dropout, self.batch_norm))

    def head(self, layout: Layout) -> nn.Module:
        width = number_of_tokens(layout.dimension, self.tokens, "rankelastor") * layout.dimension
        return Tower(self.hidden[0] if self.hidden else width, self.hidden[1:], self.dropout, self.batch_norm)


class Block(nn.Module):
    def __init__(self, tokenise: nn.Module, mixing: FullMixing, norm: RowNorm, ffn: GatedTokenFFN) -> None:
        super().__init__()
        self.tokenise, self.mixing, self.norm, self.ffn = tokenise, mixing, norm, ffn

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """(B, S, F or T, d) -> (B, S, T, d)"""
        result: Tensor = self.ffn(self.norm(self.mixing(self.tokenise(x))))
        return result
