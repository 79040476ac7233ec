"""What carriers have registered: sender names and the texts that they take, before a campaign needs them."""

# The rule for a registered sender name in Vietnam: at most 11 characters, never digits alone.
SENDER = r"(?![0-9]+$)[A-Za-z0-9._\- ]{1,11}"
NOT_A_NAME = (
    "The sender must be the registered name: 1 to 11 Latin letters, digits, spaces or . _ "
    "- and not only digits, for example CA SON LA."
)
