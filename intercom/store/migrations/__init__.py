"""The ways from one shape of the tables to the next; `intercom.store.migration` runs them.

A new one, after the models were changed: `python -m tests.store.new_migration "what changes"`.
"""
