"""The model of sending (docs/model), checked by Spin."""
