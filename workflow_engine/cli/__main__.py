"""The command line where no script is installed: python -m workflow_engine.cli."""

from workflow_engine.cli.app import main

if __name__ == "__main__":  # a body in a process of its own looks into the script that started it
    main()
