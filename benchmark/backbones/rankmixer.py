"""RankMixer: parameter-free mixing of tokens and a feed-forward network of its own for every token."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from benchmark.contracts import MOST_DEPTH, Backbone, Layout, setting, tuned
from benchmark.nn.linear import SetMLP, Tower
from benchmark.nn.rows import LastState, RowNorm
from benchmark.nn.tokens import TokenFFN, Tokenise, mix_heads, number_of_tokens


@dataclass(frozen=True, kw_only=True)
class RankMixer(Backbone):
    """Layer 0 makes the fields into T tokens before its block. A token is a row of d, so T, the number of its heads, divides d.

    Ours: T is the largest divisor of d up to ``tokens`` (10 of the widths 10, 20, 40 and 100; 4 of 4); an MLP stands on the mean of
    the tokens, where the paper has towers for its tasks. The dense variant, without its mixture of experts.
    """

    summary = "tokens mixed without parameters, then a feed-forward network for every token; rows are tokens"
    source = "Zhu et al., CIKM 2025 (arXiv 2507.15551), dense; number of tokens and MLP ours"
    hidden_widths = ("hidden",)

    depth: int = setting(2, at_least=1, at_most=MOST_DEPTH, help="L of both published sizes")
    tokens: int = setting(10, at_least=1, help="at most; 16 and 32 in the paper")
    expansion: int = setting(3, at_least=1, help="k; the paper's parameter counts over its 2kLTD² give 2.8 and 3.6")
    hidden: tuple[int, ...] = setting((400, 400), at_least=1, help="units of the MLP's layers")
    dropout: float = tuned(0.2, low=0.0, high=0.5, step=0.1, at_least=0, below=1, help="of the MLP")
    batch_norm: bool = setting(True)

    def shapes(self, layout: Layout) -> tuple[tuple[int, int], ...]:
        tokens = number_of_tokens(layout.dimension, self.tokens, "rankmixer")
        return ((layout.fields, layout.dimension), *((tokens, layout.dimension),) * self.depth)

    def layer(self, index: int, layout: Layout) -> nn.Module:
        tokens = number_of_tokens(layout.dimension, self.tokens, "rankmixer")
        tokenise = Tokenise(*layout, tokens) if index == 0 else nn.Identity()
        return Block(tokenise, TokenFFN(layout.sets, tokens, layout.dimension, self.expansion), layout)

    def readout(self, layout: Layout) -> nn.Module:
        return LastState(SetMLP(layout.sets, layout.dimension, self.hidden[:1], self.dropout, self.batch_norm), pooled=True)

    def head(self, layout: Layout) -> nn.Module:
        width = self.hidden[0] if self.hidden else layout.dimension
        return Tower(width, self.hidden[1:], self.dropout, self.batch_norm)


class Block(nn.Module):
    """s = norm(mix(x) + x), norm(ffn(s) + s) (the paper's eq. 1)."""

    def __init__(self, tokenise: nn.Module, ffn: TokenFFN, layout: Layout) -> None:
        super().__init__()
        self.tokenise, self.ffn = tokenise, ffn
        self.norms = nn.ModuleList(RowNorm(layout.sets, layout.dimension) for _ in range(2))

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """(B, S, F or T, d) -> (B, S, T, d)"""
        x = self.tokenise(x)
        mixed: Tensor = self.norms[0](mix_heads(x) + x)
        result: Tensor = self.norms[1](self.ffn(mixed) + mixed)
        return result
