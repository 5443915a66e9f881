"""A ladder of releases: the change of each workload from one release of MXNet to the next, all measured here."""
