"""Pure call control: presses, legs, answers, digits and doors; no SIP, no sockets, no clock."""
