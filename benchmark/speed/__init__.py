"""How fast a training is: against its own switches, against other libraries, against the machine. And how fast its data are made ready.

command      what the command measures, by its flags
workload     what is trained: sizes, and rows drawn for them
contestants  who trains it: this suite in this process, a peer in a process and environment of its own
peers        the environments and scripts of FuxiCTR and DeepCTR-Torch
counting     what a step has to do for a sample: arithmetic and bytes
machine      what the machine can do at most: products and copies
compare      contestants in turns, and the table of medians, spreads and ratios
parts        where a step's time goes, by part of the model
scaling      how the cost of a training step grows with scale, depth, batch, table, rows and sets: a table and a figure
data         a table prepared, opened and handed out in batches; beside FuxiCTR's preprocessing
table        the table made up for that
processes    processes measured whole: seconds, and memory with and without mapped files
records      what thousands of records cost: board, MLflow's store, the start of a run; beside another checkout
verdict      a whole board until its verdicts are there, with and without what stops trainings early
gpu          what a GPU does with this suite, as one JSON file
"""
