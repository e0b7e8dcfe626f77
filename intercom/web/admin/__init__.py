"""Webadmin and the account pages: plain pages that work without JavaScript."""
