"""The demonstration: the router and its strangers as processes of their own, and an honest verdict."""
