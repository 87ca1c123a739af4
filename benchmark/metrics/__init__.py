"""Pure functions of tensors and numbers: AUC and logloss, spectra, statistics over seeds. Imports nothing of ours."""
