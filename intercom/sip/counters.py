"""What one endpoint has counted since its start: service-wide totals, of nobody in particular."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Totals; each field's words are its help text in the metrics."""

    received: int = 0
    """Messages that reached the endpoint, whatever became of them."""
    dropped_malformed: int = 0
    """Messages that could not be read and were not answered."""
    dropped_rate: int = 0
    """Messages beyond what their source may send."""
    dropped_locked: int = 0
    """Messages of sources that are shut out."""
    challenged: int = 0
    """Requests answered with 401."""
    wrong_credentials: int = 0
    """Credentials with a wrong user name or password."""
    refused_user_lock: int = 0
    """Credentials not looked at because their user's log-in is locked for their source."""
    locked_sources: int = 0
    """Times that a source was shut out."""
    locked_users: int = 0
    """Times that a user's log-in was locked, for one source or for all strange ones."""
    refused_overload: int = 0
    """New calls answered with 503."""
    refused_too_large: int = 0
    """Requests above a limit of size or number."""
    stateless_replies: int = 0
    """Replies for which nothing was kept."""
    withheld_replies: int = 0
    """Replies not sent because they would be more than twice their request."""
    proven: int = 0
    """Messages let through a flood because they prove that they belong to us."""
    repeated: int = 0
    """Messages let through a flood because their sender repeats them, as an honest one does."""
