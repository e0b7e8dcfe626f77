"""What administrators, owners and residents do with the store; pages, API and commands call it."""
