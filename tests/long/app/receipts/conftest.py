"""What tests of this folder find, as those beside which they stood."""

from tests.engines import by_default

# The SQL is shown on each engine beside the modules themselves: here whole lives are gone through.
database_url = by_default
