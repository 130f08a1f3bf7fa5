"""The inbox: threads and signal handlers put, the main thread takes."""

from __future__ import annotations

import os
import signal
import threading

from bshm_watchd.events import Event, Hinted, Inbox, ModelReady, StopAsked


def test_an_empty_inbox_gives_nothing_at_once() -> None:
    assert Inbox().take(0) == []


def test_everything_that_is_there_is_taken_in_the_order_it_came() -> None:
    inbox = Inbox()
    events: list[Event] = [Hinted("a", "1.png"), ModelReady(2), Hinted("a", None)]
    for event in events:
        inbox.put(event)
    assert inbox.take(3600) == events
    assert inbox.take(0) == []


def test_whoever_waits_is_woken_by_the_first_event() -> None:
    inbox = Inbox()
    thread = threading.Thread(target=inbox.put, args=(ModelReady(1),))
    thread.start()
    assert inbox.take(60) == [ModelReady(1)]
    thread.join()


def test_a_signal_can_put_while_the_main_thread_is_taking() -> None:
    """A handler runs between any two steps of the thread it interrupts; a lock would wait for itself."""
    inbox = Inbox()
    before = signal.signal(signal.SIGUSR1, lambda number, _: inbox.put(StopAsked(number)))
    try:
        threading.Timer(0, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        assert inbox.take(60) == [StopAsked(signal.SIGUSR1)]
        for _ in range(200):
            os.kill(os.getpid(), signal.SIGUSR1)
            inbox.put(ModelReady(1))
        taken = inbox.take(0)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert (taken.count(ModelReady(1)), taken.count(StopAsked(signal.SIGUSR1))) == (200, 200)


def test_nothing_is_lost_among_many_threads() -> None:
    inbox = Inbox()
    threads = [threading.Thread(target=lambda: [inbox.put(ModelReady(n)) for n in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inbox.take(0)) == 2000
