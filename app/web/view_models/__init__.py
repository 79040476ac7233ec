"""View models: data of a page, loaded by the stages' queries."""
