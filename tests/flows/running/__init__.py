"""A package, because pytest ends a fixture of a folder with the folder only if it is one."""
