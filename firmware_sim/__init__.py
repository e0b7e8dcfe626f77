"""A door panel, a carrier and the residents' devices in a box, one process each."""
