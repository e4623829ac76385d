"""Random edits, crashes, failures and daemon deaths against a reference of a few lines.

The reading, the store, planning and the executor are the real ones; only the box they act on is a
value, changed by `carry_out`. However it went, once things are left alone the box is what the last
good files say.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from lmctl.adapters.pauses import Pauses
from lmctl.adapters.revisions import Revisions
from lmctl.adapters.state.store import open_store
from lmctl.base.errors import NotFound
from lmctl.base.spec import FailureKind, Phase
from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState
from lmctl.planning.outcome import Done, Failed, Outcome, Stalled
from lmctl.planning.pauses import Suspension
from lmctl.planning.plan import LoadInstance, Planned, Step
from lmctl.planning.policies import converged
from lmctl.planning.resolve import HostFacts
from lmctl.planning.turn import take_turn
from lmctl.planning.weights_values import SeenWeights, WeightsState
from lmctl.reconciler.execute import Executor
from lmctl.reconciler.history import History
from lmctl.reconciler.reading import FolderReader, LastGood
from lmctl.reconciler.wishes import Wishes
from tests.support.worlds import carry_out, host, seen

NAMES = st.sampled_from(("a", "b", "c"))
CONTEXTS = st.sampled_from((1024, 2048, 4096))
STRATEGIES = st.sampled_from(("surge", "drain", "auto"))
TURNS = 60


class BoxMachine(RuleBasedStateMachine):
    """`declared` is the reference: what each instance should be, by the last good edit."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="lmctl-machine-"))
        self.fleet = self.folder / "fleet"
        self.fleet.mkdir()
        self.store = open_store(self.folder / "state.db", clock=lambda: 0.0)
        self.pauses = Pauses(self.folder)
        self.world = ObservedState(host=host())
        self.now = 0.0
        self.declared: dict[str, int] = {}
        self.meanings: dict[str, dict[str, int]] = {}  # by digest, what the files said
        self.broken = False
        self.desired: DesiredState | None = None
        self.endings: dict[str, asyncio.Future[Outcome]] = {}
        self.begun: dict[str, Step] = {}
        self.planned: dict[str, Planned] = {}

    @initialize()
    def begin(self) -> None:
        self._model()
        # The guard before two of three go at once has tests of its own.
        self._write("server.yaml", "reconcile: {maxPrunePercent: 100}\n")
        self.edit("a", 2048, "auto")
        self.restart()

    def teardown(self) -> None:
        self._on_loop(self.executor.stop())
        self.loop.close()
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(name=NAMES, context=CONTEXTS, strategy=STRATEGIES)
    def edit(self, name: str, context: int, strategy: str) -> None:
        """Declare an instance, or change it."""
        self._write(
            f"{name}.yaml",
            "apiVersion: lmctl/v1alpha1\nkind: Instance\n"
            f"metadata: {{name: {name}}}\n"
            f"spec: {{model: acme/m, identifier: {name}, load: {{contextLength: {context}}},"
            f" strategy: {{type: {strategy}}}}}\n",
        )
        self.declared[name] = context

    @precondition(lambda self: len(self.declared) > 1)
    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        if name in self.declared and len(self.declared) > 1:
            (self.fleet / f"{name}.yaml").unlink()
            del self.declared[name]

    @precondition(lambda self: not self.broken)
    @rule()
    def break_a_file(self) -> None:
        self._write("broken.yaml", "kind: [\n")
        self.broken = True

    @precondition(lambda self: self.broken)
    @rule()
    def mend_it(self) -> None:
        (self.fleet / "broken.yaml").unlink()
        self.broken = False

    @rule()
    def turn(self) -> None:
        """One pass of the loop, on what is there now."""
        reading = self._on_loop(self.reader.read())
        turn = take_turn(reading, self.world)
        self.planned = {each.key: each for each in turn.plan.steps}
        self._on_loop(self._settle(turn.plan))
        if turn.desired is not None:
            work = frozenset(each.step.subject for each in turn.plan.steps)
            memory = converged(turn.desired, work, self.world.converged)
            self.world = msgspec.structs.replace(self.world, converged=memory)
        self.desired = turn.desired
        if not self.broken:
            self.meanings[self.reader.source_digest] = dict(self.declared)

    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        """A person goes back to an earlier generation, if there is one."""
        self.turn()
        known = self.store.generations.all()
        others = [e.number for e in known if e.digest != known[-1].digest and self.history.keeps(e)]
        source = self.reader.source_digest
        if others and source:
            number = data.draw(st.sampled_from(others))
            self.wishes.put_hold(self.history.turn_back(number, source_digest=source))

    @rule()
    def cancel_the_rollback(self) -> None:
        self.wishes.release("somebody")

    @precondition(lambda self: self.desired is not None)
    @rule(subject=st.sampled_from(("box", "instance/a", "instance/b")), seconds=st.integers(1, 99))
    def suspend(self, subject: str, seconds: int) -> None:
        try:
            new = Suspension(subject, "by chance", self.now, "", self.now + seconds)
            self.wishes.add(new, self.desired)
        except NotFound:
            assert subject.removeprefix("instance/") not in self.declared or self.stale()

    def stale(self) -> bool:
        """Whether the files say something else than what is desired."""
        return {each.name for each in self.desired.instances} != self.declared.keys()

    @precondition(lambda self: bool(self.endings))
    @rule(data=st.data(), how=st.sampled_from(("done", "done", "failed", "stalled")))
    def a_step_ends(self, data: st.DataObject, how: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.endings)))
        match how:
            case "done":
                self._end(key, Done())
            case "failed":
                self._end(key, Failed("by chance", FailureKind.TRANSIENT))
            case "stalled":
                self._end(key, Stalled("by chance"))

    @precondition(lambda self: bool(self.world.runners))
    @rule(data=st.data())
    def a_runner_dies(self, data: st.DataObject) -> None:
        victim = data.draw(st.sampled_from(sorted(each.uid for each in self.world.runners)))
        self.world = msgspec.structs.replace(
            self.world,
            runners=tuple(
                msgspec.structs.replace(each, phase=Phase.FAILED, pid=0, reason="killed")
                if each.uid == victim
                else each
                for each in self.world.runners
            ),
        )

    @rule(state=st.sampled_from((WeightsState.ABSENT, WeightsState.SUSPECT)))
    def weights_go_bad(self, state: WeightsState) -> None:
        found = {key: SeenWeights(key, state, reason="bad") for key in self.world.weights}
        self.world = msgspec.structs.replace(self.world, weights=found)

    @rule()
    def somebody_deletes_the_surface(self) -> None:
        self.world = msgspec.structs.replace(self.world, surface=None)

    @rule(seconds=st.sampled_from((1.0, 70.0, 700.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def restart(self) -> None:
        """The daemon dies: what it was doing is half done, what it knew is on disk or gone."""
        for key in list(self.endings):
            step = self.begun[key]
            if isinstance(step, LoadInstance):
                half = seen(step.instance, Phase.LOADING)
                others = tuple(each for each in self.world.runners if each.uid != half.uid)
                self.world = msgspec.structs.replace(self.world, runners=(*others, half))
        if hasattr(self, "executor"):
            self._on_loop(self.executor.stop())
        self.endings.clear()
        self.history = History(
            self.store.generations,
            Revisions(self.folder / "revisions"),
            commit_of=lambda _: None,
            clock=lambda: self.now,
        )
        self.wishes = Wishes(self.pauses, clock=lambda: self.now, tell=lambda *_: None)
        self.reader = FolderReader(
            roots=lambda: (str(self.fleet),),
            host=lambda: HostFacts(sockets="/run/lmctl"),
            history=self.history,
            last_good=LastGood(self.folder / "last-good"),
            wishes=self.wishes,
        )
        self.executor = Executor(
            self._act,
            wake=lambda: None,
            clock=lambda: self.now,
            started=lambda *_: None,
            ended=lambda _, __: None,
            jitter=lambda: 1.0,
        )

    @precondition(lambda self: not self.broken)
    @rule()
    def left_alone_it_becomes_what_the_files_say(self) -> None:
        self.executor.forgive()  # a person asks for another try of what stalled
        self.pauses.resume()
        for _ in range(TURNS):
            self.turn()
            if not self.planned:
                break
            for key in sorted(self.endings):
                self._end(key, Done())
            self.now += 100.0
        assert not self.planned, sorted(self.planned)
        self._check_all()

    @invariant()
    def one_step_at_a_time_for_each_subject(self) -> None:
        subjects = [self.begun[key].subject for key in self.endings]
        assert len(subjects) == len(set(subjects))

    def _check_all(self) -> None:
        declared, hold = self.declared, self.pauses.hold()
        if hold is not None:  # only while the folders say what is held
            assert hold.digest == self.reader.source_digest
            declared = self.meanings[hold.target]
        runners = {each.name: each for each in self.world.runners}
        assert len(runners) == len(self.world.runners) == len(declared)
        routes = {each.name: each.socket for each in self.world.surface.routes}
        for name, context in declared.items():
            assert runners[name].phase is Phase.READY
            assert runners[name].load.context_length == context
            assert routes[name] == runners[name].socket
        assert routes.keys() == declared.keys()

    async def _settle(self, plan) -> None:
        self.executor.settle(plan)
        for _ in range(3):  # steps begin, and cancelled ones end
            await asyncio.sleep(0)

    async def _act(self, step: Step) -> Outcome:
        ending: asyncio.Future[Outcome] = self.loop.create_future()
        self.endings[step.key] = ending
        self.begun[step.key] = step
        try:
            outcome = await ending
        finally:
            self.endings.pop(step.key, None)
        if isinstance(outcome, Done):
            self.world = carry_out(step, self.world)
        return outcome

    def _end(self, key: str, outcome: Outcome) -> None:
        async def end() -> None:
            self.endings[key].set_result(outcome)
            for _ in range(3):
                await asyncio.sleep(0)

        if key in self.endings:
            self._on_loop(end())

    def _on_loop(self, work):
        return self.loop.run_until_complete(work)

    def _model(self) -> None:
        self._write(
            "model.yaml",
            "model: acme/m\nbase:\n  - key: acme/m\n    sources:\n"
            "      - {type: file, path: /weights/m.gguf}\n",
        )

    def _write(self, name: str, text: str) -> None:
        (self.fleet / name).write_text(text)


BoxMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestBoxMachine = BoxMachine.TestCase
