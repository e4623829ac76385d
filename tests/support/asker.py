"""Asks an engine through a scheduler of its own, on the test's thread."""

from lmctl.base.talk import Finished, Sampling, TextDelta
from lmctl.runner.job import Job
from lmctl.runner.scheduler import Scheduler
from lmctl.runner.text import TextAssembler

GREEDY = Sampling(temperature=0, repeat_penalty=None)


class Asker:
    """What was read stays in the engine from one question to the next."""

    def __init__(self, engine):
        self._scheduler = Scheduler(engine, self._take)
        self._ended = {}
        self._said = {}
        self.texts = []
        self.chosen = []

    def ask(self, *prompts, tokens=10, **more):
        """Ask all at once; return of each the tokens of its answer, as far as the context still has
        them, and how much of its prompt was found. `texts` are the whole answers, `chosen` what
        they were made of where `logprobs` were asked for.
        """
        never = float("inf")
        jobs = [
            Job(str(n), list(prompt), GREEDY, tokens, TextAssembler(), never, **more)
            for n, prompt in enumerate(prompts)
        ]
        self._said = {job: [] for job in jobs}
        for job in jobs:
            self._scheduler.submit(job)
        self._scheduler.run()
        self._scheduler._stopping = False
        self.texts = ["".join(each.text for each in self._said[job]) for job in jobs]
        self.chosen = [[one for each in self._said[job] for one in each.tokens] for job in jobs]
        cached = [self._ended[job].usage.cached_tokens for job in jobs]
        return [(job.tokens[len(job.prompt) :], n) for job, n in zip(jobs, cached, strict=True)]

    def forget_all(self):
        """Let the engine forget what it read."""
        while self._scheduler._cache.evict():
            pass

    def _take(self, turn):
        for output in turn.outputs:
            for event in output.events:
                if isinstance(event, Finished):
                    self._ended[output.job] = event
                elif isinstance(event, TextDelta):
                    self._said[output.job].append(event)
        if not turn.running:
            self._scheduler.stop()
