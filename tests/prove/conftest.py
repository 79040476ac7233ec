"""What these tests find: homes of real processes, and pages in a browser."""

from tests.e2e.conftest import *
from tests.faults.conftest import *
