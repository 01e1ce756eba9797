"""Who is measured: a module for each, with one coroutine for each kind of work it can do."""
