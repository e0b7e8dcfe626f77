"""An open video-intercom router: panels in, apps and phones out, and a door that opens."""
