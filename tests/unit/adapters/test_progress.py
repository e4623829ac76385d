"""Progress adds up files and tells the rate of the last seconds."""

from lmctl.adapters.weights.progress import Meter


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_bytes_of_all_files_add_up_and_the_total_waits_for_every_size():
    clock, told = Clock(), []
    meter = Meter("m", told.append, clock=clock)
    meter.expect("a", 100)
    meter.expect("b", None)

    meter.at("a", 40, travelled=40)
    clock.now = 1.0
    meter.expect("b", 50)
    meter.at("b", 10, travelled=10)

    assert [(each.done, each.total) for each in told] == [(40, None), (50, 150)]


def test_the_rate_counts_only_what_travelled_lately():
    clock, told = Clock(), []
    meter = Meter("m", told.append, clock=clock)
    meter.at("a", 1000, travelled=0)
    for second in range(1, 21):
        clock.now = float(second)
        meter.at("a", 1000 + 10 * second, travelled=10)

    assert told[-1].rate == 10.0


def test_reports_are_rare_but_the_last_is_always_told():
    clock, told = Clock(), []
    meter = Meter("m", told.append, clock=clock)
    for done in range(50):
        clock.now += 0.001
        meter.at("a", done)

    meter.finish()

    assert len(told) == 2
    assert told[-1].done == 49
