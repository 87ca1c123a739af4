"""Tokens of RankMixer and RankElastor: fields made into T rows of d, and layers with own weights for every token of every set."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from benchmark.errors import Incompatible
from benchmark.nn.linear import SetLinear


def number_of_tokens(dimension: int, most: int, backbone: str) -> int:
    """T: the largest divisor of d that is not above ``most``, so that a token splits into T heads. Raises Incompatible if that is 1."""
    tokens = max(t for t in range(1, most + 1) if dimension % t == 0)
    if tokens == 1:
        raise Incompatible(
            f"{backbone}: {dimension}, the dimension of a set, has no divisor from 2 to tokens = {most}; a token needs heads"
        )
    return tokens


class TokenLinear(nn.Module):
    """A linear layer with own weights for every token of every set."""

    def __init__(self, sets: int, tokens: int, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        self.linear = SetLinear(sets * tokens, inputs, outputs, bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, T, inputs) -> (B, S, T, outputs)"""
        y: Tensor = self.linear(x.flatten(1, 2))
        return y.view(*x.shape[:3], -1)


class Tokenise(nn.Module):
    """The fields side by side, cut into T equal pieces, each projected to a token of d (Zhu et al., 2025, eq. 2).

    The paper groups fields by meaning first; here they stay in the order of the data set, and a piece may hold part of a field. The
    projections are each token's own, without a bias, which at the start would be larger than the embedding.
    """

    def __init__(self, sets: int, fields: int, dimension: int, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens  # divides fields · dimension, for it divides dimension
        self.project = TokenLinear(sets, tokens, fields * dimension // tokens, dimension, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, F, d) -> (B, S, T, d)"""
        tokens: Tensor = self.project(x.reshape(*x.shape[:2], self.tokens, -1))
        return tokens


def mix_heads(x: Tensor) -> Tensor:
    """Multi-head token mixing with as many heads as tokens (Zhu et al., 2025, eq. 3-5): the new token h is head h of all tokens."""
    count, sets, tokens, dimension = x.shape
    return x.view(count, sets, tokens, tokens, dimension // tokens).transpose(2, 3).reshape(x.shape)


class TokenFFN(nn.Module):
    """W_2 gelu(W_1 x + b_1) + b_2 with own weights for every token (Zhu et al., 2025, eq. 6-7)."""

    def __init__(self, sets: int, tokens: int, dimension: int, expansion: int) -> None:
        super().__init__()
        self.up = TokenLinear(sets, tokens, dimension, expansion * dimension)
        self.down = TokenLinear(sets, tokens, expansion * dimension, dimension)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, T, d) -> the same"""
        result: Tensor = self.down(functional.gelu(self.up(x)))
        return result


class GatedTokenFFN(nn.Module):
    """(gelu(x W_1) ⊙ (x W_2)) W_3 + x W_r with own weights for every token: RankElastor's GLU-improved per-token FFN."""

    def __init__(self, sets: int, tokens: int, dimension: int, expansion: int) -> None:
        super().__init__()
        width = expansion * dimension
        self.gate, self.value = (TokenLinear(sets, tokens, dimension, width, bias=False) for _ in range(2))
        self.down = TokenLinear(sets, tokens, width, dimension, bias=False)
        self.residual = TokenLinear(sets, tokens, dimension, dimension, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, T, d) -> the same"""
        gated = functional.gelu(self.gate(x)) * self.value(x)
        result: Tensor = self.down(gated) + self.residual(x)
        return result


class FullMixing(nn.Module):
    """(W + I) on all numbers of all tokens side by side, W learned: RankElastor's parameterised full mixing, before its norm."""

    def __init__(self, sets: int, tokens: int, dimension: int) -> None:
        super().__init__()
        self.linear = SetLinear(sets, tokens * dimension, tokens * dimension, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, T, d) -> the same"""
        mixed: Tensor = self.linear(x.flatten(2))
        return x + mixed.view_as(x)
