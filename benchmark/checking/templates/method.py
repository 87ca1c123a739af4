"""Template: say in one sentence what it does; then its formula, its source, what is yours, what it costs.

    L = weight · mean over samples of 1/F² Σ_{f<g} |cos(x_f, x_g)|^power,  x_f (D) the embedding of field f

A file is one method, named after the file. `python -m benchmark check template_name` tests it with every backbone.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from benchmark.method import CTRModel, Method, Output, Parts, setting, tuned


# One frozen dataclass. Its fields are its settings: flags of `train`, keys of a suite file, and part of every record.
@dataclass(frozen=True, kw_only=True)
class Template(Method):
    summary = "single embedding with a penalty on the squared cosine between fields"  # a line of `list`
    source = "a template: name the paper here, or say that it is yours"

    # tuned: a tuner draws from low … high, or from choices=(…). The bounds (at_least, above, at_most, below) are the formula's own.
    weight: float = tuned(0.1, low=1e-3, high=10.0, log=True, at_least=0, help="of the penalty")
    # setting: the same for all trials. Types: bool, int, float, str, a Literal of texts, tuple[X, ...], X | None.
    power: float = setting(2.0, above=0, help="of the cosine")
    # What bounds cannot say: def validate(self) -> None, which raises UserError.
    # Variants with a name of their own, here "template_name:strong":  presets: ClassVar = {"strong": {"weight": 1.0}}

    def build(self, parts: Parts) -> CTRModel:
        # parts: fields F, width D = scale · dimension, scale, dimension, backbone, schema; layout(sets), table(), interaction(sets).
        # parts.model() is single embedding, parts.model(sets=parts.scale) is multi-embedding; what a method changes is an argument:
        #   penalty=(weight, criterion)   criterion(ids (B, F), output) -> scalar; training adds weight times it to the logloss. Three
        #                                 entries, (weight, criterion, "share"): the share of the logloss's gradient that its own shall have
        #   transform=nn.Module           (B, F, D) -> (B, F, D), between table and interaction
        #   interaction=nn.Module         (B, S, F, d) -> Output, in place of parts.interaction(sets), or around it
        #   table_rule=TableRule          another optimiser for the table, or something done before an epoch or a batch
        # Where it cannot work with parts.backbone: raise Incompatible("why"); the reason stands on the board.
        return parts.model(penalty=(self.weight, self.likeness))

    def likeness(self, ids: Tensor, output: Output) -> Tensor:
        # output: logits (B,), states 0…L (B, S, N, d), the embedding first, in float32 whatever training computes in. The result is a
        # scalar that stays finite with equal rows, rows of zeros, a single field.
        x0 = output.states[0].transpose(1, 2).flatten(2)  # (B, F, D)
        rows = functional.normalize(x0, dim=2, eps=1e-6)
        return (rows @ rows.mT).tril(-1).abs().clamp_min(1e-12).pow(self.power).mean()


# A transform. What learns is a parameter or a buffer, made in __init__ after super().__init__(); no .cuda(), no .to(device): training
# moves the model. In evaluation a sample must not see the others of its batch: keep running statistics where self.training is True.
#
# class Scaled(nn.Module):
#     def __init__(self, fields: int) -> None:
#         super().__init__()
#         self.gain = nn.Parameter(torch.ones(fields, 1))
#
#     def forward(self, x: Tensor) -> Tensor:  # (B, F, D) -> the same
#         return x * self.gain
#
#     def diagnostics(self) -> dict[str, float]:  # numbers for the record, read after an evaluation
#         return {"largest_gain": float(self.gain.max())}
#
# An interaction around the backbone's own. It returns all states, and Output is a tuple: _replace changes one entry.
#
# class Tempered(nn.Module):
#     def __init__(self, interaction: nn.Module) -> None:
#         super().__init__()
#         self.interaction, self.temperature = interaction, nn.Parameter(torch.ones(()))
#
#     def forward(self, x0: Tensor) -> Output:  # (B, S, F, d)
#         output = self.interaction(x0)
#         return output._replace(logits=output.logits * self.temperature)
#
# A rule for the table (benchmark/contracts.py): what is not overridden stays Adam with the coupled L2.
# A transform's buffer that is renewed once an epoch: hand the module to a rule, and renew it in epoch_starts(epoch, table, optimizer).
#
# class Plain(TableRule):
#     def optimizer(self, table: nn.Parameter, learning_rate: float, l2: float) -> torch.optim.Optimizer:
#         return torch.optim.SGD([table], lr=learning_rate, weight_decay=l2)
