"""A language model as the grader: each distinct answer to a problem is judged once, by a stored trace.

A judge's traces have a recipe of their own (stage `judge`) and are planned, journalled and stored like
all others; so grading again asks nothing again, and what the judge wrote can be read. The place of
references in a trace's identity is taken by a digest of gold and answer, which is what it was shown.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack

from configs.graders import JudgeGrader
from tasks.engines.pool import open_engines
from tasks.engines.protocol import EngineError
from tasks.graders.extraction import boxed_answers, whole_answers
from tasks.graders.normalise import vote_key
from tasks.graders.protocol import Case, Said, Verdict, key_of, scored, settings_of
from tasks.grading.traces import LONGEST_STORED
from tasks.progress import PROGRESS
from tasks.stage import Job, Stage, job_of, stage_of
from warehouse.grades import grades_of
from warehouse.identity import shown_to_judge
from warehouse.identity import trace_id as trace_id_of
from warehouse.planner import missing_traces
from warehouse.records import Member, Problem, Wanted

_BETWEEN = r"(?:[^\w.,;?!+\-]|_|\bis\b|\bboxed\b|\btext\b){0,16}"
"""Between a verdict's name and the verdict: a colon, marks of Markdown, JSON, LaTeX and XML."""
_SAID = re.compile(
    rf"(?<![A-Za-z])verdict(?:\s*-)?{_BETWEEN}(?:(incorrect|wrong|not\b{_BETWEEN}correct)|correct|right)(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_SCORE = re.compile(
    rf"(?<![A-Za-z])score{_BETWEEN}(\d+(?:\.\d+)?)(?:\s*(?:/|out of|of)\s*(\d+))?(?![\d/]|[.,]\d|\s*[-\u2013]\s*\d)",
    re.IGNORECASE,
)


def judge_stage(form: JudgeGrader, root: str) -> Stage:
    """The judge of a grader's settings, as a stage that reads none. Raises UserError."""
    if form.rubric is not None and form.prompt == "judge":
        form = form.model_copy(update={"prompt": "judge-rubric"})
    return stage_of("judge", form, root)


class Judge:
    """Asks the model and reads its last "Verdict: …", or with a rubric its last "Score: …".

    An answer that it failed to judge, or refused to, has no verdict and is asked about again by the next run; one
    that it cannot read to the end or does not decide is a grader_error.
    """

    def __init__(self, form: JudgeGrader, root: str, problems: Mapping[str, Problem]) -> None:
        self._form, self._problems, self.reads_traces = form, problems, False
        self.stage = judge_stage(form, root)
        scale = (
            settings_of(form).keys() & {"rubric", "points", "threshold"} if form.rubric is not None else ()
        )
        scoring = {name: getattr(form, name) for name in sorted(scale)}
        self.key = key_of(
            "judge", "4", {"recipe": self.stage.recipe.digest, "answer": form.answer, **scoring}
        )
        self.complaints: list[str] = []
        self.refusal = ""
        """The first message of a request that was refused for good."""
        self._refused: set[str] = set()
        self._engines = ExitStack()
        self._is_started = False

    def extract(self, texts: Sequence[str]) -> list[str | None]:
        """The last box, or all of it."""
        return whole_answers(texts) if self._form.answer == "whole" else boxed_answers(texts, "none")

    def vote_key(self, answer: str) -> str:
        """The normal form of a mathematical answer."""
        return vote_key(answer)

    def decide(self, gold: str, answer: str) -> Verdict | None:  # noqa: ARG002
        """Nothing is decided but by the model."""
        return None

    def proves(self, gold: str, answer: str) -> bool:  # noqa: ARG002
        """The model reads every answer."""
        return True

    def work_out(self, cases: Collection[Case]) -> dict[Case, Said]:
        """Ask about what is not stored, then read the verdicts from the store."""
        wanted, index = {case: self._wanted(case) for case in cases}, self.stage.index
        lacking = {w for w in missing_traces(index, wanted.values()) if w.trace_id not in self._refused}
        if lacking:
            self._ask({case: trace for case, trace in wanted.items() if trace in lacking})
        rows = index.rows({trace.trace_id for trace in wanted.values()}, ["status", "answer"]).to_pylist()
        said: dict[str, Said] = {row["trace_id"]: self._said(row["status"], row["answer"]) for row in rows}
        return {case: said[trace.trace_id] for case, trace in wanted.items() if trace.trace_id in said}

    def members(self, stage: Stage, members: Collection[Member]) -> list[Member]:
        """The judge's traces behind the stored verdicts on these members of a stage: what judging them cost."""
        digests = {(member.trace_id, member.gold): member.problem_digest for member in members}
        cases: set[Case] = set()
        shortened: dict[str, set[str]] = {}
        columns = ["trace_id", "gold", "extracted"]
        for trace_id, gold, answer in grades_of(stage.index, self.key, columns, members):
            if answer is None or (trace_id, gold) not in digests:
                continue
            if len(answer) <= LONGEST_STORED:
                cases.add(Case(digests[trace_id, gold], gold, answer))
            else:
                shortened.setdefault(trace_id, set()).add(gold)
        for row in stage.index.rows(shortened, ["answer"]).to_pylist():
            trace_id = row["trace_id"]
            for answer in filter(None, self.extract([row["answer"]])):
                cases.update(Case(digests[trace_id, gold], gold, answer) for gold in shortened[trace_id])
        wanted = [(case.gold, self._wanted(case)) for case in sorted(cases)]
        return [
            Member("judge", w.problem_id, w.problem_digest, w.sample_index, w.trace_id, gold)
            for gold, w in wanted
        ]

    def unread(self, judged: Iterable[Member]) -> Counter[str]:
        """What became of those of the judge's traces that hold no verdict."""
        index, ids = self.stage.index, {member.trace_id for member in judged}
        rows = index.rows(ids, ["status", "answer"]).to_pylist()
        return Counter(
            _why_unread(row["status"], self._form)
            for row in rows
            if self._said(row["status"], row["answer"]) == "grader_error"
        )

    def close(self) -> None:
        """Let go of the engine."""
        self._engines.close()

    def _ask(self, wanted: Mapping[Case, Wanted]) -> None:
        if not self._is_started:
            self._engines.enter_context(open_engines())
            self._is_started = True
        PROGRESS.expect("judge", len(wanted))
        try:
            result = self.stage.make(map(self._job, wanted, wanted.values()), rank=0)
        except EngineError as error:
            self.complaints.append(f"judge: {error}")
            return
        asked = {trace.trace_id for trace in wanted.values()}
        self._refused |= {i for i in asked if (held := self.stage.index.get(i)) and held.is_permanent}
        if result.num_failed > result.num_transient:
            self.refusal = self.refusal or result.example
        if result.is_over_budget:
            self.complaints.append("judge: the budget is spent; raise it and run again to judge the rest.")
        if result.num_transient:
            kinds = ", ".join(f"{count} {code}" for code, count in result.failures.most_common())
            self.complaints.append(
                f"judge: {result.num_failed} of {len(wanted)} answers could not be judged ({kinds}); first: {result.example}"
            )

    def _job(self, case: Case, trace: Wanted) -> Job:
        question = self._problems[case.problem_digest].question
        shown: dict[str, str | int] = {"gold": case.gold, "answer": case.answer}
        if self._form.rubric is not None:
            shown |= {"rubric": self._form.rubric, "points": self._form.points}
        return job_of(self.stage, question, shown, [trace])

    def _said(self, status: str, answer: str | None) -> Said:
        return said_in(status, answer) if self._form.rubric is None else scored_in(status, answer, self._form)

    def _wanted(self, case: Case) -> Wanted:
        scale = [] if self._form.rubric is None else [self._form.rubric, self._form.points]
        shown = (shown_to_judge(case.gold, case.answer, *scale),)
        held = trace_id_of(self.stage.recipe, case.problem_digest, 0, shown)
        return Wanted(held, case.problem_digest, self._problems[case.problem_digest].problem_id, 0, shown)


def _why_unread(status: str, form: JudgeGrader) -> str:
    if status == "truncated":
        return "were cut off at max_tokens"
    if form.rubric is None:
        return 'do not say "Verdict: …"'
    return f'do not say "Score: …" of {form.points} points'


def said_in(status: str, answer: str | None) -> Verdict:
    """The judge's last verdict; what was cut off or says none is a grader_error."""
    found = list(_SAID.finditer(answer or "")) if status == "ok" else []
    if not found:
        return "grader_error"
    return "wrong" if found[-1][1] else "correct"


def scored_in(status: str, answer: str | None, form: JudgeGrader) -> Said:
    """The judge's last score, as a share of full marks; what says none, or one of another scale, is a grader_error."""
    found = list(_SCORE.finditer(answer or "")) if status == "ok" else []
    if not found or (found[-1][2] and int(found[-1][2]) != form.points):
        return "grader_error"
    return scored(float(found[-1][1]) / form.points, form.threshold)
