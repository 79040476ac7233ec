"""Through whom: the carriers' protocols, behind one contract; knows nothing of app/."""
