"""Pages for people: read from the stages' queries, act by their verbs, in Vietnamese and in English."""
