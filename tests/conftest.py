"""One torch thread: the tests' tensors are tiny, and on a busy machine a second thread makes them ten times slower."""

import torch

torch.set_num_threads(1)
