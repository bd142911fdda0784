"""What the study of methods compares: every method as an experiment that costs as much as A2R does, on two kinds of puzzles.

Counts of samples and references are chosen so that a method's forward FLOPs per problem are those of `a2r` within 5 %, which
the page shows for each. A family's experiments are on the same problems; samples that methods have in common are made once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from configs.engines import OnnxSettings
from configs.experiment import Execution, Experiment, GeneratedBenchmark
from configs.graders import ExactGrader
from configs.models import Model
from configs.roles import Explorer, References, Synthesizer, When
from configs.sampling import Sampling
from configs.training import Training, load_training
from tasks.engines.weights import MODELS
from tasks.research.training.jobs import EXPLORE_PROMPT, SYNTHESIZE_PROMPT
from tasks.research.training.record import read_record

Family = Literal["sum3", "bill"]
FAMILIES: tuple[Family, ...] = ("sum3", "bill")

BASELINE = "a2r"
"""The method that all others are compared with."""
LARGEST_BATCH = 256
"""Samples that are computed together: more than usual, where there are thousands."""
SHARD_SIZE = 100_000
"""One task per stage."""
SHORT = 125
"""Longest reply in tokens of sum3's opponent that has no more time than A2R."""
LONGEST_ALONE: Mapping[Family, int] = {"sum3": 280, "bill": 256}
"""Longest reply in tokens of the model that tries by itself; in sum3 a quarter of its replies do not end."""


@dataclass(frozen=True, slots=True)
class Method:
    """One line of the comparison."""

    name: str
    description: str
    """What it does, with which models and how many samples."""
    experiment: Experiment
    metric: str
    """Its answer among the run's metrics."""
    is_opponent: bool = False
    """Whether it is a model alone that was taught to try and check, or builds on one."""
    is_one_sample: bool = False
    """Whether it costs less than A2R on purpose: it is there for its critical path."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the study is wanted."""

    num_problems: int
    """Held-out problems of each family."""
    num_seeds: int
    """Seeds of sampling."""
    families: tuple[Family, ...] = FAMILIES
    only: frozenset[str] = frozenset()
    """Names of methods, beside A2R; none: all."""

    def methods(self, family: Family, seed: int) -> tuple[Method, ...]:
        """The methods on a family's problems, sampled with a seed.

        Methods that read the same samples in two ways have the same experiment.
        """
        makers: Mapping[Family, Callable[[_Roles], Sequence[Method]]] = {"sum3": _sum3, "bill": _bill}
        difficulty = _training(family).difficulty
        benchmark = GeneratedBenchmark(
            source="generated", family=family, difficulty=difficulty, count=self.num_problems, seed=0
        )
        methods, names = list[Method](), dict[str, str]()
        for method in makers[family](_Roles(family, seed, min(LARGEST_BATCH, 8 * self.num_problems))):
            name = names.setdefault(method.experiment.model_dump_json(), method.name)
            named = {"name": f"methods.{family}.{name}.{seed}", "benchmark": benchmark}
            methods.append(replace(method, experiment=method.experiment.model_copy(update=named)))
        return tuple(m for m in methods if not self.only or m.name in self.only | {BASELINE})


def _sum3(roles: "_Roles") -> Sequence[Method]:
    """Models: s in both roles, xs where a method needs a second or a cheaper one; solo-s as the opponent."""
    small, big, solo = "a2r-sum3-explorer", "a2r-sum3-explorer-s", "a2r-sum3-solo-s"
    small_reader, reader = "a2r-sum3-selector-xs", "a2r-sum3-synthesizer"
    explorer, synthesizer = roles.explorer, roles.synthesizer
    vote = roles.experiment([explorer(big, 20)])
    return (
        Method(
            BASELINE,
            "4 samples of s, 3 syntheses of s that read them, their vote",
            roles.experiment([explorer(big, 4)], [synthesizer(reader, 4, 3)]),
            "a2r-cons@3",
        ),
        Method(
            "a2r-efficient",
            "5 samples of xs, 3 syntheses of s that read them, their vote",
            roles.experiment([explorer(small, 5)], [synthesizer(reader, 5, 3)]),
            "a2r-cons@3",
        ),
        Method("self-consistency", "the vote of 20 samples of s", vote, "cons@20"),
        Method("best-of-n", "the likeliest of 20 samples of s", vote, "logprob-best@20"),
        Method(
            "genselect",
            "7 samples of s, of which s names one",
            roles.experiment([explorer(big, 7)], [synthesizer(reader, 7, 1, kind="select")]),
            "a2r",
        ),
        Method(
            "fast-slow",
            "4 samples of s; where they disagree, 4 syntheses of s and their vote",
            roles.experiment([explorer(big, 4)], [synthesizer(reader, 4, 4, when=When(agreement_below=1.0))]),
            "a2r-cons@4",
        ),
        Method(
            "groups",
            "5 samples of s, 2 syntheses of s that each read 3 random ones, their vote",
            roles.experiment([explorer(big, 5)], [synthesizer(reader, 3, 2, groups="random")]),
            "a2r-cons@2",
        ),
        Method(
            "moa",
            "2 samples of xs and 2 of s; a synthesis of each size reads all; s reads both",
            roles.experiment(
                [explorer(small, 2, name="small"), explorer(big, 2, name="big")],
                [
                    synthesizer(small_reader, 4, 1, name="small_layer", reads=("small", "big")),
                    synthesizer(reader, 4, 1, name="big_layer", reads=("small", "big")),
                    synthesizer(reader, 2, 1, name="aggregator", reads=("small_layer", "big_layer")),
                ],
            ),
            "a2r",
        ),
        Method(
            "rsa",
            "a population of 3 of s, each made anew from 2 random ones, once; its vote",
            roles.experiment(
                [explorer(big, 3)], [synthesizer(reader, 2, 3, name="aggregate", groups="random")]
            ),
            "a2r-cons@3",
        ),
        Method(
            "pacore",
            "4 samples of s, 2 syntheses of s that read 3 of them, 1 that reads those",
            roles.experiment(
                [explorer(big, 4)],
                [synthesizer(reader, 3, 2, name="coordinate"), synthesizer(reader, 2, 1, name="conclude")],
            ),
            "a2r",
        ),
        *_opponents(roles, solo, reader, num_votes=4, num_cut=6, num_read=2, num_syntheses=4),
    )


def _bill(roles: "_Roles") -> Sequence[Method]:
    """Models of one size: the reinforced synthesizer reads, and there is no smaller explorer for a2r-efficient.

    The second models of moa are an explorer that was trained longer, and the synthesizer before reinforcement.
    """
    explorer, synthesizer = roles.explorer, roles.synthesizer
    first, second, solo = "a2r-bill-explorer", "a2r-bill-longer-xs", "a2r-bill-solo-xs"
    reader, second_reader = "a2r-bill-synthesizer", "a2r-bill-synthesizer-xs"
    vote = roles.experiment([explorer(first, 15)])
    return (
        Method(
            BASELINE,
            "4 samples, 4 syntheses that read them, their vote",
            roles.experiment([explorer(first, 4)], [synthesizer(reader, 4, 4)]),
            "a2r-cons@4",
        ),
        Method("self-consistency", "the vote of 15 samples", vote, "cons@15"),
        Method("best-of-n", "the likeliest of 15 samples", vote, "logprob-best@15"),
        Method(
            "genselect",
            "5 samples, 3 times one of them is named, the vote of these",
            roles.experiment([explorer(first, 5)], [synthesizer(reader, 5, 3, kind="select")]),
            "a2r-cons@3",
        ),
        Method(
            "fast-slow",
            "14 samples; where they disagree, 4 syntheses that read 4 and their vote",
            roles.experiment(
                [explorer(first, 14)], [synthesizer(reader, 4, 4, when=When(agreement_below=1.0))]
            ),
            "a2r-cons@4",
        ),
        Method(
            "groups",
            "4 samples, 4 syntheses of which two read the first 2 and two the others, their vote",
            roles.experiment(
                [explorer(first, 4)], [synthesizer(reader, 2, 4, groups="disjoint", per_group=2)]
            ),
            "a2r-cons@4",
        ),
        Method(
            "moa",
            "1 sample of each of two explorers; a synthesis of each of two readers reads both; 1 reads these",
            roles.experiment(
                [explorer(first, 1, name="small"), explorer(second, 1, name="big")],
                [
                    synthesizer(second_reader, 2, 1, name="small_layer", reads=("small", "big")),
                    synthesizer(reader, 2, 1, name="big_layer", reads=("small", "big")),
                    synthesizer(reader, 2, 1, name="aggregator", reads=("small_layer", "big_layer")),
                ],
            ),
            "a2r",
        ),
        Method(
            "rsa",
            "a population of 4, from which 3 are made anew, each from 2 random ones, once; their vote",
            roles.experiment(
                [explorer(first, 4)], [synthesizer(reader, 2, 3, name="aggregate", groups="random")]
            ),
            "a2r-cons@3",
        ),
        Method(
            "pacore",
            "4 samples, 2 syntheses that read 3 of them, 1 that reads those",
            roles.experiment(
                [explorer(first, 4)],
                [synthesizer(reader, 3, 2, name="coordinate"), synthesizer(reader, 2, 1, name="conclude")],
            ),
            "a2r",
        ),
        *_opponents(roles, solo, reader, num_votes=4, num_cut=0, num_read=2, num_syntheses=3),
    )


def _opponents(
    roles: "_Roles",
    solo: str,
    reader: str,
    *,
    num_votes: int,
    num_cut: int,
    num_read: int,
    num_syntheses: int,
) -> Sequence[Method]:
    """The model that was taught to try and check, by itself: one sample, votes, and as the explorer of a reader.

    Args:
        roles: Of the family.
        solo: Its name.
        reader: The synthesizer that reads it.
        num_votes: Samples of the vote.
        num_cut: Samples of the vote that takes no longer than A2R; 0: no such vote.
        num_read: Samples that are read.
        num_syntheses: Syntheses that read them.
    """
    alone = roles.alone
    methods = [
        Method("alone", "1 sample", roles.experiment([alone(solo, 1)]), "mean@1", True, True),
        Method(
            "alone-vote",
            f"the vote of {num_votes} samples",
            roles.experiment([alone(solo, num_votes)]),
            f"cons@{num_votes}",
            True,
        ),
        Method(
            "alone-reader",
            f"{num_read} samples, {num_syntheses} syntheses that read them, their vote",
            roles.experiment([alone(solo, num_read)], [roles.synthesizer(reader, num_read, num_syntheses)]),
            f"a2r-cons@{num_syntheses}",
            True,
        ),
    ]
    if num_cut:
        short = Method(
            "alone-short-vote",
            f"the vote of {num_cut} samples of at most {SHORT} tokens",
            roles.experiment([alone(solo, num_cut, SHORT)]),
            f"cons@{num_cut}",
            True,
        )
        methods.insert(2, short)
    return methods


@cache
def _training(family: Family) -> Training:
    return load_training(family)


@cache
def _model(name: str) -> Model:
    """A shipped model, with its exact number of parameters."""
    return Model(id=name, params=read_record(MODELS / name).num_parameters)


class _Roles:
    """The roles of a family's shipped models, all with one seed."""

    def __init__(self, family: Family, seed: int, batch_size: int) -> None:
        self.family: Family = family
        self._seed, self._batch_size, self._training = seed, batch_size, _training(family)

    def explorer(self, model: str, num_samples: int, name: str | None = None) -> Explorer:
        """Answers at once."""
        return self._answering(model, EXPLORE_PROMPT, num_samples, self._training.explorer_tokens, name)

    def alone(self, model: str, num_samples: int, max_tokens: int | None = None) -> Explorer:
        """Tries and checks without references."""
        limit = max_tokens or LONGEST_ALONE[self.family]
        return self._answering(model, SYNTHESIZE_PROMPT, num_samples, limit, None)

    def synthesizer(
        self,
        model: str,
        count: int,
        num_samples: int,
        *,
        groups: Literal["same", "disjoint", "random"] = "same",
        per_group: int = 1,
        kind: Literal["synthesize", "select"] = "synthesize",
        name: str | None = None,
        reads: tuple[str, ...] | None = None,
        repeat: int = 1,
        when: When | None = None,
    ) -> Synthesizer:
        """Reads so many references."""
        return Synthesizer(
            name=name,
            kind=kind,
            model=_model(model),
            engine=OnnxSettings(kind="onnx", batch_size=self._batch_size),
            prompt=SYNTHESIZE_PROMPT,
            references=References(count=count, groups=groups, per_group=per_group),
            sampling=self._sampling(num_samples, self._training.synthesizer_tokens),
            reads=reads,
            repeat=repeat,
            when=when,
        )

    def experiment(self, explorers: Sequence[Explorer], rounds: Sequence[Synthesizer] = ()) -> Experiment:
        """An experiment whose name and problems come later."""
        return Experiment(
            name="methods",
            benchmark=GeneratedBenchmark(source="generated", family=self.family),
            explorers=tuple(explorers),
            rounds=tuple(rounds),
            grader=ExactGrader(kind="exact"),
            execution=Execution(shard_size=SHARD_SIZE),
        )

    def _answering(
        self, model: str, prompt: str, num_samples: int, max_tokens: int, name: str | None
    ) -> Explorer:
        return Explorer(
            name=name,
            model=_model(model),
            engine=OnnxSettings(kind="onnx", batch_size=self._batch_size, logprobs=True),
            prompt=prompt,
            sampling=self._sampling(num_samples, max_tokens),
        )

    def _sampling(self, num_samples: int, max_tokens: int) -> Sampling:
        return Sampling(n=num_samples, temperature=1.0, max_tokens=max_tokens, seed=self._seed)
