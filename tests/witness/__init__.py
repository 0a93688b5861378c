"""Programs that the real MXNet runs."""
