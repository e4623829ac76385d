"""Following a download to its end, with progress on stderr; leaving does not stop it."""

from contextlib import closing

from lmctl.base.errors import LmctlError
from lmctl.base.quantities import format_size
from lmctl.cli.download_client import DownloadClient
from lmctl.cli.printer import Printer
from lmctl.cli.render_downloads import sentence
from lmctl.planning.downloads import DownloadView

_STEPS = 10  # lines a download takes where there is no terminal


def begin(client: DownloadClient, printer: Printer, model: str) -> DownloadView:
    """Begin a download, or go on with one, and say what is taken of what there is."""
    view = client.download(model)
    if view.status == "already_downloaded":
        printer.note(f"{view.model} is here already")
        return view
    took = f"{view.file}, {format_size(view.total)}" if view.total else view.file
    printer.note(f"{view.id}: {took} of {view.repo}, known as {view.model}")
    return view


def follow(client: DownloadClient, printer: Printer, job: str) -> DownloadView:
    """Return how a download is once nothing more will happen to it by itself.

    Ctrl-C ends the following, and says that the download goes on. Raises LmctlError when it was
    given up meanwhile.
    """
    last = client.download_of(job)
    teller = _Teller(printer)
    try:
        with closing(client.follow_download(job)) as views:
            for last in views:
                teller.tell(last)
    except KeyboardInterrupt:
        teller.close()
        printer.note(f"it goes on; `lmctl downloads follow {job}` shows it again")
        raise
    finally:
        teller.close()
    if last.status == "downloading":
        raise LmctlError(f"{job} was given up meanwhile")
    return last


class _Teller:
    """On a terminal one live line; elsewhere a line per tenth and per trouble."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._told: tuple[object, ...] = ()
        self._live = None
        if printer.err.is_terminal and not printer.quiet:
            from rich.live import Live

            self._live = Live(console=printer.err, refresh_per_second=8, transient=True)
            self._live.start()

    def tell(self, view: DownloadView) -> None:
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text(sentence(view)))
            return
        tenth = _STEPS * view.done // view.total if view.total else 0
        said = (tenth, view.status, bool(view.message))
        if said != self._told:
            self._told = said
            self._printer.note(sentence(view))

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
