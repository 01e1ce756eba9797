"""The command line where no script is installed: python -m workflow_engine.cli."""

from workflow_engine.cli.app import main

main()
