"""Pages that refresh themselves: what is new appears, and what somebody is doing is not taken away."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.live import LiveSite, Surfer


def test_the_queue_shows_new_requests_by_itself(site: LiveSite, surfer: Callable[..., Surfer]) -> None:
    """A request that is submitted while the queue is open appears in it; while boxes are ticked the queue stands still."""
    first = site.house.person().requested()
    tess = surfer()
    tess.page.clock.install()
    tess.is_staff("tess")
    rows = tess.page.locator("#rows tbody tr")
    rows.first.wait_for()
    assert 1 == rows.count()
    second = site.house.person().requested()
    tess.page.clock.run_for(21_000)
    tess.page.locator(f'#rows a[href$="{second.id}"]').wait_for()

    tess.page.locator(f'#rows input[value="{first.id}"]').check()
    third = site.house.person().requested()
    tess.page.clock.run_for(21_000)
    tess.page.clock.run_for(1_000)
    assert tess.page.locator(f'#rows input[value="{first.id}"]').is_checked()
    tess.page.locator(f'#rows input[value="{first.id}"]').uncheck()
    tess.page.clock.run_for(21_000)
    tess.page.locator(f'#rows a[href$="{third.id}"]').wait_for()
