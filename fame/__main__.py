"""`python -m fame …`; and as a script, for `fabric run fame/__main__.py train …`."""

import os
import sys

if not __package__:  # a script's folder is on the path: here, where trace.py hides Python's own
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path = [folder for folder in sys.path if os.path.abspath(folder or ".") != here]
    sys.path.insert(0, os.path.dirname(here))

from fame.cli.main import main

main()
