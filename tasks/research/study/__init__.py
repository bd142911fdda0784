"""The asymmetry study: trained models of every size against each other, as experiments of the pipeline."""
