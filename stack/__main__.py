import sys

# Before the imports, which an older Python cannot read.
if sys.version_info < (3, 11):  # noqa: UP036
    print("stack: Python 3.11 or later is needed, this is " + sys.version.split()[0], file=sys.stderr)
    sys.exit(3)

from stack.cli import main

sys.exit(main(sys.argv[1:]))
