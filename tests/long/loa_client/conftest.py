"""What tests of this folder find, as those beside which they stood."""

from tests.app.conftest import *
