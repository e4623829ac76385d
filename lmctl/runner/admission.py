"""Who may come in: decided at the runner's door, before anything is done for a request."""

from lmctl.base.errors import Busy, Draining, NotReady


class Admission:
    """Counts the requests inside. Lives on the event loop, so a decision and its claim are one."""

    def __init__(self, name: str, *, queue: int) -> None:
        self.name = name
        self._queue = queue
        self._slots = 0
        self._open = False
        self._draining = False
        self.inside = 0

    def prepare(self, slots: int) -> None:
        """Take the requests that prove it: `slots` running, and a queue behind them."""
        self._slots = slots

    def open(self) -> None:
        """Take everyone's requests from now on."""
        self._open = True

    def close(self) -> None:
        """Take no more requests, for good."""
        self._draining = True

    def admit(self, queue: int | None = None, *, proof: bool = False) -> int:
        """Claim a place; return how many places from running it is.

        `queue` is how many may wait, where the asker knows better than the spec; a `proof` need not
        wait for the door to be open.

        Raises Draining, NotReady while loading or not proven, or Busy with every place taken.
        """
        if self._draining:
            raise Draining(f"{self.name} takes no new requests: it is being unloaded")
        if not self._slots:
            raise NotReady(f"{self.name} is still loading")
        if not (self._open or proof):
            raise NotReady(f"{self.name} is loaded and being proven")
        places = self._queue if queue is None else queue
        if self.inside >= self._slots + places:
            raise Busy(
                f"{self.name} is busy: {self._slots} running and {places} waiting",
                hint="try again, or raise `parallel` of the instance or `queue` of the server",
            )
        self.inside += 1
        return max(0, self.inside - self._slots)

    def release(self) -> None:
        """Give a place back."""
        self.inside -= 1
