"""What a model costs for one incident: this program against the simplest supervisor, with the same stand-in for one."""
