"""The router's SIP side: one UDP socket and endpoint, panels' legs in, residents' phone legs out."""
