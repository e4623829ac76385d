"""A scheduler over the echo engine, on the test's own thread, that stops when all is done."""

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Finished, Sampling, TextDelta
from lmctl.runner.echo import EchoEngine
from lmctl.runner.job import Job
from lmctl.runner.scheduler import Scheduler
from lmctl.runner.text import TextAssembler


class Watched(EchoEngine):
    """Remembers what each step was fed."""

    def __init__(self, script, **settings):
        super().__init__(script, LoadSettings(**settings))
        self.steps = []

    def step(self, feeds, bell):
        self.steps.append([(feed.sequence, len(feed.tokens)) for feed in feeds])
        return super().step(feeds, bell)


class World:
    """A scheduler that stops by itself when every job has ended."""

    def __init__(self, script, clock=lambda: 0.0, engine=Watched, **settings):
        self.engine = engine(script, **settings)
        self.scheduler = Scheduler(self.engine, self.take, clock=clock)
        self.turns = []
        self.open = set()
        self.on_turn = lambda _turn: None

    def restart(self):
        """Make ready to run again, with the same scheduler."""
        self.scheduler._stopping = False

    def take(self, turn):
        self.turns.append(turn)
        self.open -= {output.job for output in turn.outputs if output.ended}
        self.on_turn(turn)
        if not self.open:
            self.scheduler.stop()

    def submit(self, text="a b c", *, max_tokens=None, deadline=60.0, **more):
        tokens = self.engine.tokenize(text, add_bos=False, parse_special=True)
        given = (Sampling(), max_tokens, TextAssembler(), deadline)
        job = Job("id", tokens, *given, asked_at=0.0, **more)
        self.open.add(job)
        self.scheduler.submit(job)
        return job

    def told(self, job):
        outputs = [each for turn in self.turns for each in turn.outputs if each.job is job]
        return [event for output in outputs for event in output.events]

    def text(self, job):
        return "".join(each.text for each in self.told(job) if isinstance(each, TextDelta))

    def usage(self, job):
        [ended] = [each for each in self.told(job) if isinstance(each, Finished)]
        return ended.usage
