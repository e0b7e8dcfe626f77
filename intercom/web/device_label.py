"""What a log-in is called in the list of one's log-ins: a browser's family and its system, no more."""

_BROWSERS = (  # the first that is named; nearly all of them call themselves Chrome and Safari, too
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrom", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)


def device_label(user_agent: str | None) -> str:
    """Give such as "Firefox, Linux"; empty where neither is known."""
    named = user_agent or ""
    browser = next((name for mark, name in _BROWSERS if mark in named), "")
    system = next((name for mark, name in _SYSTEMS if mark in named), "")
    return ", ".join(each for each in (browser, system) if each)
