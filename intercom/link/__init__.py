"""The panel link's wire: messages, signatures and the firmware's own judgement of a door command.

Pure, so that the router and the panel's firmware can share it.
"""
