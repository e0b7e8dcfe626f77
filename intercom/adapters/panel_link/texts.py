"""What a panel's screen says, in the property's language (requirements B6, B7, B10, B12)."""

from intercom.routing.commands import EndReason, PanelState

ENGLISH = "en"

# PanelState or EndReason: (Norwegian bokmål, English)
_TEXTS: dict[PanelState | EndReason, tuple[str, str]] = {
    PanelState.CALLING: ("Ringer …", "Calling …"),
    PanelState.TALKING: ("Snakk nå", "Please speak"),
    PanelState.OPENED: ("Døren er åpen", "The door is open"),
    PanelState.SENT: (
        "Beskjed er sendt til døren. Prøv den.",
        "The door was told to open. Try it.",
    ),
    PanelState.REFUSED: ("Døren kan ikke åpnes nå", "The door cannot be opened now"),
    PanelState.NO_ANSWER_FROM_DOOR: (
        "Døren svarte ikke. Prøv den, eller ring igjen.",
        "The door did not answer. Try it, or ring again.",
    ),
    PanelState.ENDED: ("Samtalen er slutt", "The call has ended"),
    EndReason.ANSWERED_ELSEWHERE: ("Besvart et annet sted", "Answered elsewhere"),
    EndReason.OPENED_ELSEWHERE: ("Åpnet fra et annet sted", "Opened from elsewhere"),
    EndReason.VISITOR_LEFT: ("Avbrutt", "Cancelled"),
    EndReason.OTHER_BUTTON: ("Ringer en annen …", "Calling another name …"),
    EndReason.NOBODY_ANSWERED: ("Ingen svarer", "Nobody answers"),
    EndReason.NOBODY_REACHABLE: ("Ingen kan nås akkurat nå", "Nobody can be reached now"),
    EndReason.TOO_MANY_CALLS: (
        "For mange anrop akkurat nå. Prøv igjen om litt.",
        "Too many calls right now. Try again soon.",
    ),
    EndReason.NO_SUCH_BUTTON: ("Ukjent navn", "No such name here"),
    EndReason.RESIDENT_HUNG_UP: ("Samtalen er slutt", "The call has ended"),
    EndReason.NOT_ACCEPTED: ("Ingen svarer", "Nobody answers"),
    EndReason.DOOR_OPENED: ("Velkommen inn", "Welcome in"),
    EndReason.TIME_LIMIT: ("Tiden er ute. Ring igjen.", "The time is up. Ring again."),
    EndReason.MEDIA_LOST: ("Forbindelsen ble brutt. Ring igjen.", "Connection lost. Ring again."),
    EndReason.IN_USE: (
        "Opptatt i en samtale. Vent litt.",
        "In use by another call. Please wait.",
    ),
    EndReason.STAGE_OVER: ("Ringer …", "Calling …"),
    EndReason.DECLINED: ("Ingen svarer", "Nobody answers"),
    EndReason.FAULT: ("Noe gikk galt. Ring igjen.", "Something went wrong. Ring again."),
    EndReason.SHUTTING_DOWN: (
        "Anlegget starter på nytt. Ring igjen om litt.",
        "The system is restarting. Ring again soon.",
    ),
}


def text_of(state: PanelState, reason: EndReason | None, language: str) -> str:
    """Choose the words for a state; a reason, where there is one, says more than the state."""
    norwegian, english = _TEXTS[state if reason is None else reason]
    return english if language == ENGLISH else norwegian
