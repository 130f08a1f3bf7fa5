"""What a report's words mean, for those who read one for the first time."""

from __future__ import annotations

WORDS: tuple[tuple[str, str], ...] = (
    (
        "p50, p95, p99",
        "Half of the photos took no longer than p50, 95 of 100 no longer than p95, 99 of 100 no longer than p99. Of "
        "fewer than 20 samples there is no p95, of fewer than 100 no p99: they would tell of the slowest one alone.",
    ),
    ("a lone photo", "One photo at a time is dropped into the running daemon, whose model is loaded."),
    (
        "wait whether a photo is whole",
        "A dropped file is left alone until it has stopped changing. That wait counts from the drop to the result.",
    ),
    (
        "burst, round",
        "All photos of the set are dropped at once; a round is one such burst, from the first claim to the last "
        "original filed.",
    ),
    (
        "share of the machine's limit",
        "Of the photos a second that the machine could do if all its cores were always busy, and no photo cost more "
        "CPU time than it does alone.",
    ),
    ("cold", "From the start of a process, when no model is loaded, to its first result."),
    (
        "SAD, MSE, MAD",
        "How far alpha (0 clear, 1 opaque) is from the true one: the sum of absolute differences over all pixels in "
        "thousands, the mean of the squared ones, the mean of the absolute ones. 0 is best.",
    ),
    (
        "gradient, connectivity",
        "How far the steepness of edges differs, and how far pixels hang together with the person differently; sums "
        "over all pixels in thousands. 0 is best.",
    ),
    ("failed", "A picture without a matte, or with one whose MAD is above 0.05: it is wrong about what is person."),
    ("edge PSNR", "How exact alpha is where the true alpha changes, in decibels: more is better."),
)
