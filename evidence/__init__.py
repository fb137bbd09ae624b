"""Reading the world about one subject: a handful of requests, redacted once, the same for everybody who decides."""
