"""The contract's tests, for whoever writes a plug-in: ``python -m benchmark check NAME`` and ``new``.

check      a name -> its findings, one after another
finding    what a finding is, and a check's failure in one line
cell       the small cell that models are checked in: fields, rows, a training of a few steps
model      checks of a model: what it returns, how it trains, what it gives back
settings   checks of settings: their ranges, and whether each acts
cost       time, parameters and arithmetic over single embedding's
methods, backbones, datasets    what is checked of each kind
new        a new plug-in's file from a template, which passes ``check``
"""
