"""Feature generation (SFG): what a layer multiplies with is not the embedding, but features that a one-layer encoder makes of all fields.

    g = γ·act(W z) + z, z (F·D) the fields side by side, W (F·D)² without bias
    layer l gets g_l in the place of x_0:  DCNv2  x_{l+1} = x_l + g_l ⊙ (W_l x_l + b_l)
                                           xDeepFM  products of the maps with g_l;  IPNN, NFwFM  products ⟨g_i, e_j⟩, g_i ⊙ e_j, i < j
    z = x_l where the rows of every layer are the fields, the embedding elsewhere; each layer has an encoder of its own

Source: Yin et al., ICML 2025 (arXiv 2512.14041), and the public models of its code: encoder over all fields, the generated side of each
product, DCNv2's encoders on x_l, with "+ z" there, γ .01 on Criteo_x1 and 8 on Avazu_x4. The loss is the logloss alone, nothing is
reconstructed. Published AUC, DCNv2 without and with it: Criteo_x1 .81358 and .81412, Avazu_x4 .79259 and .79351; FM .80236 and .81108,
.78823 and .79249; of activations on Criteo_x1 linear .81356, tanh .81374, sigmoid .81379, ReLU .81412, SiLU .81429.

Ours, for the file of the encoder itself is not in reach: "+ z" with every backbone and by default, γ = 1 and its range about both published
values, the start of W as of all layers here. Their DCNv2 has dropout on every x_{l+1} (.1 on Criteo_x1) and a hidden layer before the
logit, with and without the encoder: neither is here. γ = 0 with "+ z" is single embedding, with DCNv2 the layer x_l ⊙ (W_l x_l + b_l).

A backbone whose layers multiply nothing with the embedding (DNN, FinalMLP, DHEN, RankMixer, RankElastor) is Incompatible. Cost: (F·D)²
parameters and O(B·(F·D)²) time for each layer that multiplies: with DCNv2 as much as its cross layers.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.method import CTRModel, Incompatible, Method, Parts, setting, tuned
from benchmark.nn.linear import SetLinear

Activation = Literal["relu", "silu", "sigmoid", "tanh", "linear"]


@dataclass(frozen=True, kw_only=True)
class FeatureGeneration(Method):
    """Raises Incompatible for a backbone whose layers do not multiply with the embedding."""

    summary = "layers multiply with features generated from all fields in the place of the embedding"
    source = "Yin et al., From Feature Interaction to Feature Generation, ICML 2025, and the models of its code"

    gamma: float = tuned(1.0, low=1e-2, high=1e2, log=True, at_least=0, help="γ of the generated part")
    activation: Activation = setting("relu")
    residual: bool = setting(True, help="whether what the encoder read is added to what it made")

    def build(self, parts: Parts) -> CTRModel:
        recipe, interaction = parts.backbone, parts.interaction()
        reading = [recipe.reads_embedding(index) for index in range(len(interaction.layers))]
        if not any(reading):
            raise Incompatible(f"feature_generation: no layer of {parts.backbone_name} multiplies with the embedding")
        size = parts.fields * parts.width
        interaction.layers = nn.ModuleList(
            Generating(layer, Encoder(size, self), recipe.field_rows) if reads else layer
            for layer, reads in zip(interaction.layers, reading, strict=True)
        )
        return parts.model(interaction=interaction)


class Generating(nn.Module):
    """A layer that gets the encoder's features of its own input (``own_input``) or of x0, in the place of x0."""

    def __init__(self, layer: nn.Module, encoder: nn.Module, own_input: bool) -> None:
        super().__init__()
        self.layer, self.encoder, self.own_input = layer, encoder, own_input

    def forward(self, x: Tensor, x0: Tensor) -> Tensor:
        """x: (B, 1, N, D), x0: (B, 1, F, D) -> (B, 1, N', D)"""
        result: Tensor = self.layer(x, self.encoder(x if self.own_input else x0))
        return result


class Encoder(nn.Module):
    def __init__(self, size: int, settings: FeatureGeneration) -> None:
        super().__init__()
        self.linear, self.settings = SetLinear(1, size, size, bias=False), settings

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, F, D) -> the same"""
        made = self.settings.gamma * activate(self.settings.activation, self.linear(x.flatten(2))).view(x.shape)
        return made + x if self.settings.residual else made


def activate(activation: Activation, x: Tensor) -> Tensor:
    if activation == "silu":
        return functional.silu(x)
    return x if activation == "linear" else {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}[activation](x)
