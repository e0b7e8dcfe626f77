"""A sans-IO SIP stack (RFC 3261 and friends): machines that take `now` and never touch a socket."""
