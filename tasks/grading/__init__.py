"""Graders at work: which one an experiment means, its verdicts on stored traces, a model as the judge."""
