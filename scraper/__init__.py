"""The long-lived part: sees trouble, waits out transients, and hands keys to workers one subject at a time."""
