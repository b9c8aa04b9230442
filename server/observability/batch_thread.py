"""A thread that handles what others leave for it, in batches: leaving something costs them next to nothing."""

from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")
PAUSE_SECONDS = 0.05
"""Time between two batches. Under load a thread that woke for each item would delay requests: it takes the
interpreter's lock when the event loop has most to do."""


class BatchThread(Generic[Item]):
    """Hands items to a function in order, in a daemon thread that is started again by what comes after its end."""

    def __init__(
        self, name: str, handle: Callable[[list[Item], int], None], max_waiting: int, *, delay: float = 0.0
    ) -> None:
        """`handle`: given a batch, and the number of items that were dropped since the batch before; never raises.

        `max_waiting`: items that wait to be handled; more are dropped. `delay`: seconds that the first item of a batch
        waits for others.
        """
        self._name, self._handle, self._max_waiting, self._delay = name, handle, max_waiting, delay
        self._items = list[Item]()
        self._dropped = 0
        self._lock = Lock()
        self._news, self._end = Event(), Event()
        self._thread: Thread | None = None

    def put(self, item: Item) -> None:
        """Leave an item. Never waits."""
        with self._lock:
            if len(self._items) < self._max_waiting:
                self._items.append(item)
            else:
                self._dropped += 1
        self._end.clear()
        if self._thread is None or not self._thread.is_alive():
            self._thread = Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        if not self._news.is_set():
            self._news.set()

    def close(self, seconds: float) -> None:
        """End the thread once it has handled what waits, if that takes no longer than these seconds."""
        self._end.set()
        self._news.set()
        if self._thread:
            self._thread.join(seconds)

    def _run(self) -> None:
        while self._items or not self._end.is_set():
            self._news.wait()
            self._end.wait(self._delay)
            self._news.clear()
            self._handle(*self._take())
            self._end.wait(PAUSE_SECONDS - self._delay)

    def _take(self) -> tuple[list[Item], int]:
        with self._lock:
            items, dropped = self._items, self._dropped
            self._items, self._dropped = [], 0
        return items, dropped
