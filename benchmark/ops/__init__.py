"""Operations that have a fast form: what each computes, and how. The layers above show mathematics only.

A file is one operation, named after it, and holds

    plain(…)                        the formula, differentiated by autograd
    fused(…)                        the same in fewer passes, with a gradient of its own
    <operation>(…)                  what layers call: it decides which of the two runs, by device, type and switch
    TYPES                           of the activations that training hands it
    examples(dtype, generator)      arguments for all three, on which a test compares values and gradients

``dispatch`` knows the switches and finds the operations by their files; files with a leading underscore are what several share.
"""
