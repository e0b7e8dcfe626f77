"""What is said and sounded in a call: prompts to a phone, tones to both, ready answers to the visitor."""

from intercom.media import prompts, tones
from intercom.media.prompts import Words
from intercom.ports import CallFacts
from intercom.routing.commands import PlayPrompt, PlayTone, Prompt, ReadyAnswer, TellVisitor, Tone

_TONES = {
    Tone.OPENED: tones.opened,
    Tone.REFUSED: tones.refused,
    Tone.ENDING_SOON: tones.ending_soon,
}
READY_ANSWERS = {
    ReadyAnswer.COMING: Words.COMING,
    ReadyAnswer.LEAVE_IT: Words.LEAVE_IT,
    ReadyAnswer.WRONG_DOOR: Words.WRONG_DOOR,
}


def sound_of(command: PlayPrompt | PlayTone | TellVisitor, facts: CallFacts) -> bytes:
    """Give a command's sound: 16-bit PCM, 8 kHz, mono."""
    match command:
        case PlayTone(_, tone):
            return _TONES[tone]()
        case PlayPrompt(_, Prompt.WHICH_DOOR):
            return prompts.which_door(facts.door, facts.property)
        case PlayPrompt():
            return prompts.say(Words.PRESS_ANY_KEY, facts.property)
        case TellVisitor(_, answer):
            return prompts.say(READY_ANSWERS[answer], facts.property)
